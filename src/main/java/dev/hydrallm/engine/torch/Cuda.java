package dev.hydrallm.engine.torch;

import dev.hydrallm.natives.LoadedLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.HashMap;
import java.util.Map;

/**
 * The functions of CUDA's runtime that libtorch does not offer: how much memory is free, memory that the device reads by itself,
 * events. Thread-safe; what a call concerns is the calling thread's device.
 */
final class Cuda {
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private static final int HOST_TO_DEVICE = 1;
    private static final int DEVICE_TO_DEVICE = 3;
    private static final int NON_BLOCKING = 1;

    /** The stream that libtorch computes on. */
    static final long DEFAULT_STREAM = 0;

    private static final Map<String, MemoryLayout[]> FUNCTIONS = Map.ofEntries(
            Map.entry("cudaGetDeviceCount", new MemoryLayout[] {ValueLayout.ADDRESS}),
            Map.entry("cudaSetDevice", new MemoryLayout[] {INT}),
            Map.entry("cudaMemGetInfo", new MemoryLayout[] {ValueLayout.ADDRESS, ValueLayout.ADDRESS}),
            Map.entry("cudaHostAlloc", new MemoryLayout[] {ValueLayout.ADDRESS, LONG, INT}),
            Map.entry("cudaFreeHost", new MemoryLayout[] {LONG}),
            Map.entry("cudaMalloc", new MemoryLayout[] {ValueLayout.ADDRESS, LONG}),
            Map.entry("cudaFree", new MemoryLayout[] {LONG}),
            Map.entry("cudaMemcpyAsync", new MemoryLayout[] {LONG, LONG, LONG, INT, LONG}),
            Map.entry("cudaStreamCreateWithFlags", new MemoryLayout[] {ValueLayout.ADDRESS, INT}),
            Map.entry("cudaStreamDestroy", new MemoryLayout[] {LONG}),
            Map.entry("cudaStreamSynchronize", new MemoryLayout[] {LONG}),
            Map.entry("cudaEventCreate", new MemoryLayout[] {ValueLayout.ADDRESS}),
            Map.entry("cudaEventRecord", new MemoryLayout[] {LONG, LONG}),
            Map.entry("cudaEventSynchronize", new MemoryLayout[] {LONG}),
            Map.entry("cudaEventElapsedTime", new MemoryLayout[] {ValueLayout.ADDRESS, LONG, LONG}),
            Map.entry("cudaEventDestroy", new MemoryLayout[] {LONG}));

    private final Map<String, MethodHandle> functions = new HashMap<>();
    private final MethodHandle errorString;

    private Cuda(LoadedLibrary library) {
        FUNCTIONS.forEach((name, arguments) -> functions.put(name, library.function(name, arguments)));
        errorString = library.describer("cudaGetErrorString");
    }

    /**
     * The runtime that libtorch has loaded.
     *
     * @throws IllegalArgumentException when it has loaded none: it is a libtorch without CUDA
     */
    static Cuda load() {
        return new Cuda(LoadedLibrary.of("libcudart")
                .orElseThrow(() -> new IllegalArgumentException("the libtorch in " + TorchNatives.folder()
                        + " has not loaded CUDA's runtime: set PYTORCH_FLAVOR=cu128 beside PYTORCH_LIBRARY_PATH, or give"
                        + " --device cpu")));
    }

    /** Bytes of a device's memory. */
    record Memory(long free, long total) {}

    /** GPUs that this process may use: none, too, where CUDA says that there is none or that the driver is too old. */
    int deviceCount() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(INT);
            call("cudaGetDeviceCount", count);
            return count.get(INT, 0);
        } catch (IllegalStateException e) {
            return 0;
        }
    }

    /** The device of all later calls of this thread. */
    void use(int device) {
        call("cudaSetDevice", device);
    }

    Memory memory() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment free = arena.allocate(LONG);
            MemorySegment total = arena.allocate(LONG);
            call("cudaMemGetInfo", free, total);
            return new Memory(free.get(LONG, 0), total.get(LONG, 0));
        }
    }

    /** Memory of this process that the device can read by itself; {@link #freeHost} ends it. */
    @SuppressWarnings("restricted") // its size is what was asked for
    MemorySegment allocateHost(long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(LONG);
            call("cudaHostAlloc", pointer, bytes, 0);
            return MemorySegment.ofAddress(pointer.get(LONG, 0)).reinterpret(bytes);
        }
    }

    void freeHost(MemorySegment host) {
        call("cudaFreeHost", host.address());
    }

    long allocate(long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(LONG);
            call("cudaMalloc", pointer, bytes);
            return pointer.get(LONG, 0);
        }
    }

    void free(long device) {
        call("cudaFree", device);
    }

    /** Begins to copy from memory of {@link #allocateHost}. */
    void send(long device, MemorySegment host, long bytes, long stream) {
        call("cudaMemcpyAsync", device, host.address(), bytes, HOST_TO_DEVICE, stream);
    }

    void copy(long target, long source, long bytes) {
        call("cudaMemcpyAsync", target, source, bytes, DEVICE_TO_DEVICE, DEFAULT_STREAM);
    }

    /** A stream that does not wait for the default one. */
    long createStream() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stream = arena.allocate(LONG);
            call("cudaStreamCreateWithFlags", stream, NON_BLOCKING);
            return stream.get(LONG, 0);
        }
    }

    void destroyStream(long stream) {
        call("cudaStreamDestroy", stream);
    }

    void awaitStream(long stream) {
        call("cudaStreamSynchronize", stream);
    }

    long createEvent() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment event = arena.allocate(LONG);
            call("cudaEventCreate", event);
            return event.get(LONG, 0);
        }
    }

    void destroyEvent(long event) {
        call("cudaEventDestroy", event);
    }

    void record(long event, long stream) {
        call("cudaEventRecord", event, stream);
    }

    void await(long event) {
        call("cudaEventSynchronize", event);
    }

    /** Between two events that have both happened, ns. */
    long nanos(long first, long second) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment milliseconds = arena.allocate(ValueLayout.JAVA_FLOAT);
            call("cudaEventElapsedTime", milliseconds, first, second);
            return Math.round(milliseconds.get(ValueLayout.JAVA_FLOAT, 0) * 1e6);
        }
    }

    private void call(String function, Object... arguments) {
        MethodHandle handle = functions.get(function);
        if (handle == null) {
            throw new IllegalArgumentException(function);
        }
        try {
            int error = (int) handle.invokeWithArguments(arguments);
            if (error != 0) {
                MemorySegment text = (MemorySegment) errorString.invokeExact(error);
                throw new IllegalStateException(function + ": " + text.getString(0));
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
