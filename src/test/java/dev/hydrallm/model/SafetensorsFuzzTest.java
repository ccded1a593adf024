package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.hydrallm.testing.Safetensors;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

/** No bytes make the reader of safetensors files do anything else than read tensors that are there, or refuse. */
class SafetensorsFuzzTest {
    @TempDir
    Path directory;

    @FuzzTest(maxDuration = "5s")
    void anyFileIsReadOrRefused(byte[] bytes) {
        Path path = Safetensors.write(directory.resolve("fuzz.safetensors"), bytes);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            long size = 0;
            for (TensorView tensor : file.tensors()) {
                assertThat(tensor.data().byteSize())
                        .isEqualTo(tensor.elements() * tensor.dtype().bytes());
                size += tensor.data().byteSize();
            }
            assertThat(size).isLessThan(bytes.length);
        } catch (ModelFormatException e) {
            // Refused, as it should be.
        }
    }
}
