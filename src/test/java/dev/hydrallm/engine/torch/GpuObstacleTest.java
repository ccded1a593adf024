package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What can be said of a GPU before libtorch is loaded. */
class GpuObstacleTest {
    @TempDir
    Path folder;

    @Test
    void aMachineWithoutADriverHasNoGpu() {
        assertThat(TorchNatives.gpuObstacle(List.of(folder.resolve("nvidiactl")), Optional.of(folder)))
                .hasValueSatisfying(why ->
                        assertThat(why).contains("this machine has no NVIDIA GPU", "--gpus all", "--device cpu"));
    }

    @Test
    void aLibtorchWithoutCudaCannotUseOne() throws IOException {
        Path driver = Files.createFile(folder.resolve("nvidiactl"));
        assertThat(TorchNatives.gpuObstacle(List.of(driver), Optional.of(folder)))
                .hasValueSatisfying(why -> assertThat(why)
                        .contains(folder + " holds a libtorch without CUDA", "PYTORCH_LIBRARY_PATH", "2.7.1+cu128"));
        assertThat(TorchNatives.gpuObstacle(List.of(driver), Optional.empty()))
                .hasValueSatisfying(why -> assertThat(why).contains("the libtorch that comes with the program"));
    }

    @Test
    void bothTogetherCan() throws IOException {
        Path driver = Files.createFile(folder.resolve("nvidiactl"));
        Files.createFile(folder.resolve("libtorch_cuda.so"));
        assertThat(TorchNatives.gpuObstacle(List.of(driver), Optional.of(folder)))
                .isEmpty();
    }
}
