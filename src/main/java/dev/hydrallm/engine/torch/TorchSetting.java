package dev.hydrallm.engine.torch;

import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.model.PackedModel;
import java.util.Optional;

/**
 * Where and how a program computes.
 *
 * @param device as libtorch names it
 * @param link the way of weights to a device that does not compute in this process' memory
 * @param clock that device's own clock
 */
record TorchSetting(
        Arithmetic arithmetic,
        RmsNorm norm,
        ActivationRange range,
        ai.djl.Device device,
        Optional<DeviceLink> link,
        Optional<DeviceClock> clock)
        implements AutoCloseable {

    /** The processor's. */
    static TorchSetting ofProcessor(PackedModel model, ActivationRange range) {
        return new TorchSetting(
                Arithmetic.ofProcessor(model.manifest().quantization()),
                RmsNorm.SEPARATE,
                range,
                ai.djl.Device.cpu(),
                Optional.empty(),
                Optional.empty());
    }

    /**
     * A GPU's.
     *
     * @throws IllegalArgumentException when there is no such GPU, or it has not enough memory
     */
    static TorchSetting ofGpu(PackedModel model, EngineOptions options, Device.Cuda gpu, int context) {
        Cuda cuda = Cuda.load();
        int count = cuda.deviceCount();
        if (gpu.index() >= count) {
            throw new IllegalArgumentException("--device " + gpu + ": CUDA finds " + count
                    + (count == 1 ? " GPU" : " GPUs") + ", numbered from 0: name one of them, or give --device cpu");
        }
        cuda.use(gpu.index());
        Arithmetic arithmetic = Arithmetic.ofGpu(model.manifest().quantization(), options.precision());
        arithmetic.check(model.architecture());
        MemoryPlan.check(MemoryPlan.Model.of(model), options, context, arithmetic, cuda.memory());
        return new TorchSetting(
                arithmetic,
                norm(arithmetic),
                ActivationRange.FULL,
                ai.djl.Device.gpu(gpu.index()),
                Optional.of(new CudaLink(cuda, gpu.index())),
                Optional.of(new DeviceClock(cuda)));
    }

    private static RmsNorm norm(Arithmetic arithmetic) {
        if (!arithmetic.takesFewestNorms()) {
            return RmsNorm.SEPARATE;
        }
        try (PtNDManager manager = (PtNDManager) NDManager.newBaseManager(ai.djl.Device.cpu(), "PyTorch")) {
            return RmsNorm.ofLibtorch(manager);
        }
    }

    /** The device's name in TorchScript. */
    String scriptDevice() {
        return device.isGpu() ? "cuda:" + device.getDeviceId() : "cpu";
    }

    PtNDManager manager() {
        return (PtNDManager) NDManager.newBaseManager(device, "PyTorch");
    }

    Matrices matrices(PackedModel model, PtNDManager manager, Script script, Values values) {
        if (link.isPresent()) {
            return new DeviceMatrices(model, manager, script, arithmetic, link.get(), values);
        }
        return arithmetic == Arithmetic.CPU_INT8
                ? new Int8Matrices(model, manager, script, values)
                : new SingleMatrices(model, manager, values);
    }

    @Override
    public void close() {
        link.ifPresent(DeviceLink::close);
        clock.ifPresent(DeviceClock::close);
    }
}
