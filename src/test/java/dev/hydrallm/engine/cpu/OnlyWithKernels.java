package dev.hydrallm.engine.cpu;

import net.jqwik.api.lifecycle.LifecycleContext;
import net.jqwik.api.lifecycle.SkipExecutionHook;

/** Skips properties of the kernels where there are none. */
public final class OnlyWithKernels implements SkipExecutionHook {
    @Override
    public SkipResult shouldBeSkipped(LifecycleContext context) {
        return Kernels.ofProcessor().isPresent()
                ? SkipResult.doNotSkip()
                : SkipResult.skip("the kernels need AVX2, and GCC 12 or newer when the program is built");
    }
}
