/**
 * Models on libtorch: the
 * model's forward is TorchScript text under {@code src/main/resources}, compiled by libtorch at start and driven with one
 * native call a phase. DJL stays behind this package.
 */
@NullMarked
package dev.hydrallm.engine.torch;

import org.jspecify.annotations.NullMarked;
