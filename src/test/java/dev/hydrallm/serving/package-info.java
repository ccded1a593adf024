@NullMarked
package dev.hydrallm.serving;

import org.jspecify.annotations.NullMarked;
