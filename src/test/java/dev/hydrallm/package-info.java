@NullMarked
package dev.hydrallm;

import org.jspecify.annotations.NullMarked;
