/** Measuring: the speed of an engine and of decoding, and how well a model foresees a text. */
@NullMarked
package dev.hydrallm.evaluation;

import org.jspecify.annotations.NullMarked;
