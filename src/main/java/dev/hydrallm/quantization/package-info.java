/** Codecs for weights of few bits, on plain arrays. */
@NullMarked
package dev.hydrallm.quantization;

import org.jspecify.annotations.NullMarked;
