package dev.hydrallm.checkpoint;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.testing.Safetensors;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

/** No bytes make the reader of torch's zip files do anything else than read tensors that are there, or refuse. */
class TorchFileFuzzTest {
    @TempDir
    Path directory;

    @FuzzTest(maxDuration = "5s")
    void anyFileIsReadOrRefused(byte[] bytes) {
        Path path = Safetensors.write(directory.resolve("fuzz.pt"), bytes);
        try (TorchFile file = TorchFile.open(path)) {
            file.tensors().values().forEach(TorchFileFuzzTest::readTheEnds);
        } catch (ModelFormatException e) {
            // Refused, as it should be.
        }
    }

    /** The first and the last row, which must lie in the file. */
    private static void readTheEnds(SourceTensor tensor) {
        if (tensor.shape().isEmpty()
                || tensor.shape().size() > 2
                || tensor.shape().contains(0L)) {
            return;
        }
        float[] row = new float[(int) Math.min(1 << 10, tensor.shape().getLast())];
        try {
            tensor.readRow(0, row);
            tensor.readRow(tensor.shape().getFirst() - 1, row);
        } catch (ModelFormatException e) {
            // Not finite, or no weights.
        }
    }
}
