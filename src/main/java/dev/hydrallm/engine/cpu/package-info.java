/**
 * Models with int8 weights on a processor: kernels in C ({@code src/main/c}), called without JNI, and what feeds them. A layer is
 * some ten loops instead of some fifty operators, and every sum has one order.
 */
@NullMarked
package dev.hydrallm.engine.cpu;

import org.jspecify.annotations.NullMarked;
