/** Measuring: the speed of an engine and of decoding. */
@NullMarked
package dev.hydrallm.evaluation;

import org.jspecify.annotations.NullMarked;
