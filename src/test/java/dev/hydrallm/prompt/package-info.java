@NullMarked
package dev.hydrallm.prompt;

import org.jspecify.annotations.NullMarked;
