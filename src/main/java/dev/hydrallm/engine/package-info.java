/**
 * The {@link dev.hydrallm.decoding.Engine} and the {@link dev.hydrallm.evaluation.Scorer} of a packed model, around a
 * {@link dev.hydrallm.engine.DecoderProgram}: its forward passes on the program's own kernels or on libtorch.
 */
@NullMarked
package dev.hydrallm.engine;

import org.jspecify.annotations.NullMarked;
