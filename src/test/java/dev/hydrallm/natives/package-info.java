@NullMarked
package dev.hydrallm.natives;

import org.jspecify.annotations.NullMarked;
