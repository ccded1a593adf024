package dev.hydrallm.cli;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.hydrallm.engine.torch.TorchNatives;
import org.junit.jupiter.api.Test;

/** Where a model shall compute, as it is asked for on the command line. */
class DeviceOptionsTest {
    @Test
    void aDeviceThatNobodyKnowsIsRefused() {
        CliRun.assertRefused(
                CliRun.of("generate", "--device", "gpu", "--prompt", "x"),
                Cli.USAGE,
                "--device",
                "device gpu is not auto, cpu, cuda or cuda:N");
    }

    @Test
    void theKernelsOnAGpuAreRefused() {
        CliRun.assertRefused(
                CliRun.of("generate", "--device", "cuda", "--engine", "kernels", "--prompt", "x"),
                "the kernels compute on a processor, not on cuda:0");
    }

    @Test
    void aGpuThatIsNotThereIsRefusedWithWhatToDo() {
        assumeTrue(TorchNatives.gpuObstacle().isPresent(), "this machine has a GPU");
        CliRun.assertRefused(
                CliRun.of("generate", "--device", "cuda:1", "--prompt", "x"), "--device cuda:1: ", "--device cpu");
    }
}
