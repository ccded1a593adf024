package dev.hydrallm.cli;

import dev.hydrallm.evaluation.SlidingWindows;
import dev.hydrallm.prompt.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which text is scored, and how it is read. */
final class EvaluationOptions {
    @Option(
            names = "--text",
            paramLabel = "FILE",
            required = true,
            description = "The text, in UTF-8. Take one that the model has not been trained on.")
    Path text = Path.of("");

    @Mixin
    WindowOptions windows = new WindowOptions();

    @Mixin
    ReportOptions printed = new ReportOptions();

    /** The text's content. */
    String readText() throws IOException {
        return readText(text);
    }

    static String readText(Path text) throws IOException {
        String content = Texts.read(text);
        if (content.isEmpty()) {
            throw new IllegalArgumentException(text + " is empty: there is nothing to score");
        }
        return content;
    }

    /** The text's tokens, 2 at least. */
    int[] tokens(String content, Tokenizer tokenizer) {
        return tokens(text, content, tokenizer);
    }

    static int[] tokens(Path text, String content, Tokenizer tokenizer) {
        int[] tokens = tokenizer.encode(content);
        if (tokens.length < 2) {
            throw new IllegalArgumentException(
                    text + " has 1 token, and scoring needs 2: the first is only read. Give a longer text");
        }
        return tokens;
    }

    /** How a text of so many tokens is read by a model of this context. */
    SlidingWindows windows(int context) {
        return windows.of(context);
    }
}
