package dev.hydrallm.checkpoint.gguf;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.testing.Safetensors;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

/** No bytes make the reader of GGUF files do anything else than read what is there, or refuse. */
class GgufFuzzTest {
    @TempDir
    Path directory;

    @FuzzTest(maxDuration = "5s")
    void anyFileIsReadOrRefused(byte[] bytes) {
        Path path = Safetensors.write(directory.resolve("fuzz.gguf"), bytes);
        try (GgufFile file = GgufFile.open(path)) {
            for (GgufTensor tensor : file.tensors().values()) {
                float[] row = new float[tensor.shape().getLast().intValue()];
                tensor.readRow(0, row);
                tensor.readRow(tensor.shape().size() == 1 ? 0 : tensor.shape().getFirst() - 1, row);
            }
            GgufConfig.of(file);
            GgufTokenizer.json(file.metadata());
        } catch (ModelFormatException e) {
            // Refused, as it should be.
        }
    }
}
