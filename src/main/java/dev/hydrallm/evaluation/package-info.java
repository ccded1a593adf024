/** Measuring: the speed of an engine and of decoding, how well a model and its draft heads foresee a text, and its answers. */
@NullMarked
package dev.hydrallm.evaluation;

import org.jspecify.annotations.NullMarked;
