package dev.hydrallm.cli;

import dev.hydrallm.evaluation.ReferenceSet;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** Which prompts models answer greedily, and how. */
final class AnswerOptions {
    @Option(
            names = "--set",
            paramLabel = "FILE",
            description =
                    "Prompts to answer: a JSON list of objects with a \"prompt\" and a \"gt\", the right answer; those without"
                            + " one are not scored. May be given several times.")
    List<Path> sets = new ArrayList<>();

    @Option(
            names = "--max-new-tokens",
            paramLabel = "N",
            defaultValue = "256",
            description = "Most tokens of an answer. Default: ${DEFAULT-VALUE}.")
    int maxNewTokens;

    @Option(names = "--raw", description = "Use the prompts as they are, without the models' chat templates.")
    boolean raw;

    /** Reads the sets. */
    List<ReferenceSet> read() throws IOException {
        if (maxNewTokens < 1) {
            throw new IllegalArgumentException("--max-new-tokens must be at least 1, not " + maxNewTokens);
        }
        List<ReferenceSet> read = new ArrayList<>();
        for (Path set : sets) {
            read.add(ReferenceSet.read(set));
        }
        return read;
    }

    ModelAnswerer.Style style() {
        return raw ? ModelAnswerer.Style.RAW : ModelAnswerer.Style.CHAT;
    }
}
