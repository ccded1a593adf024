package dev.hydrallm.cli;

import dev.hydrallm.evaluation.PromptSet;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which prompts a model goes on from. */
final class PromptOptions {
    @Option(
            names = "--prompts",
            paramLabel = "FILE",
            arity = "1..*",
            description =
                    "Sets of prompts: .json is a list of objects with a \"prompt\", .jsonl objects with a \"prompt\" or, as"
                            + " MT-bench's questions, with \"turns\"; any other file is one text to go on from. Default: 24"
                            + " beginnings of Python files, for the demo model.")
    List<Path> files = new ArrayList<>();

    @Option(names = "--limit", paramLabel = "N", description = "The first N prompts of each set. Default: all.")
    @Nullable
    Integer limit;

    /** The sets, each with a prompt at least. */
    List<PromptSet> sets() throws IOException {
        if (limit != null && limit < 1) {
            throw new IllegalArgumentException("--limit must be at least 1, not " + limit);
        }
        List<PromptSet> sets = new ArrayList<>();
        for (Path file : files) {
            sets.add(PromptSet.read(file));
        }
        if (sets.isEmpty()) {
            sets.add(PromptSet.python());
        }
        return limit == null ? sets : sets.stream().map(set -> set.first(limit)).toList();
    }
}
