package dev.hydrallm.engine.torch;

import ai.djl.pytorch.engine.PtNDArray;
import dev.hydrallm.natives.LoadedLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Where a tensor's numbers are, on whatever device: by libtorch's C interface, whose handles are DJL's. */
final class TensorAddress {
    /** Looked for when libtorch is loaded. */
    private static final class Function {
        static final MethodHandle DATA_POINTER = LoadedLibrary.of("libtorch_cpu")
                .orElseThrow(() -> new IllegalStateException("libtorch_cpu is not loaded"))
                .function("aoti_torch_get_data_ptr", ValueLayout.JAVA_LONG, ValueLayout.ADDRESS);
    }

    private TensorAddress() {}

    static long of(PtNDArray tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(ValueLayout.JAVA_LONG);
            int error = (int) Function.DATA_POINTER.invokeExact((long) tensor.getHandle(), pointer);
            if (error != 0) {
                throw new IllegalStateException("libtorch does not say where a tensor is");
            }
            return pointer.get(ValueLayout.JAVA_LONG, 0);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
