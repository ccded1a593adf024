package dev.hydrallm.engine.torch;

import ai.djl.engine.EngineException;
import dev.hydrallm.decoding.DeviceLostError;
import dev.hydrallm.decoding.DeviceMemoryException;
import java.util.List;

/** What libtorch's errors mean for who called it. */
final class DeviceErrors {
    /** What libtorch's message says, or its linear algebra's. */
    private static final List<String> OUT_OF_MEMORY = List.of("out of memory", "ALLOC_FAILED");

    /** CUDA's own errors stay: every later call has them, too. */
    private static final String CUDA_ERROR = "CUDA error";

    private DeviceErrors() {}

    /**
     * The exception to throw instead.
     *
     * @param device as TorchScript names it
     * @param shortage what the device has not enough memory for, and what to do about it
     * @throws DeviceLostError when the device can do nothing any more
     */
    static RuntimeException told(EngineException e, String device, String shortage) {
        String message = String.valueOf(e.getMessage());
        if (OUT_OF_MEMORY.stream().anyMatch(message::contains)) {
            return new DeviceMemoryException(device + " has not enough memory for " + shortage, e);
        }
        if (message.contains(CUDA_ERROR)) {
            throw new DeviceLostError(
                    device + " failed: start again: "
                            + message.lines().findFirst().orElse(""),
                    e);
        }
        return e;
    }
}
