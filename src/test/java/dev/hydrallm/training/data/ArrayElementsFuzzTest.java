package dev.hydrallm.training.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Any bytes behind an array's bracket are elements or are refused in words, and each entry has a place of its own. */
class ArrayElementsFuzzTest {
    @FuzzTest(maxDuration = "5s")
    void anyArrayIsReadOrRefused(byte[] rest) throws IOException {
        byte[] array = new byte[rest.length + 1];
        array[0] = '[';
        System.arraycopy(rest, 0, array, 1, rest.length);
        List<Entry> entries = new ArrayList<>();
        try {
            new JsonReader(Path.of("a.json"), entries::add).read(new ByteArrayInputStream(array));
        } catch (DataFormatException e) {
            assertThat(e.getMessage()).startsWith("a.json: ");
        }
        for (int i = 0; i < entries.size(); i++) {
            assertThat(entries.get(i).place()).isEqualTo("a.json #" + (i + 1));
        }
    }
}
