package dev.hydrallm.prompt;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

public final class Tokenizer implements AutoCloseable {
    private final HuggingFaceTokenizer t;

    private Tokenizer(HuggingFaceTokenizer t) {
        this.t = t;
    }

    public static Tokenizer load(Path file) {
        try {
            return new Tokenizer(
                    HuggingFaceTokenizer.newInstance(file, Map.of("truncation", "false", "maxLength", "100000000")));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    public int[] encode(String text) {
        return Arrays.stream(t.encode(text).getIds()).mapToInt(i -> (int) i).toArray();
    }

    public String decode(int[] ids) {
        return t.decode(Arrays.stream(ids).asLongStream().toArray());
    }

    @Override
    public void close() {
        t.close();
    }
}
