@NullMarked
package dev.hydrallm.quantization;

import org.jspecify.annotations.NullMarked;
