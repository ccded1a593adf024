@NullMarked
package dev.hydrallm.checkpoint;

import org.jspecify.annotations.NullMarked;
