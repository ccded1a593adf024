package dev.hydrallm.cli;

import dev.hydrallm.training.data.Inputs;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** Which files are read, and what as. */
final class DataInputOptions {
    @Option(
            names = "--input",
            paramLabel = "FILE|DIR",
            arity = "1..*",
            required = true,
            description =
                    "Conversations in JSON (an array, or one a line: ShareGPT's, or messages with role and content), texts, or"
                            + " folders of texts.")
    List<Path> input = new ArrayList<>();

    @Option(
            names = "--include",
            paramLabel = "GLOB",
            defaultValue = "*",
            description = "Which files of folders, such as '*.py'. Default: all that are not hidden.")
    String include = "*";

    @Option(
            names = "--input-format",
            paramLabel = "FORMAT",
            defaultValue = "auto",
            description = "json or text. Default: auto, json by the names .json, .jsonl and .ndjson, else text.")
    Inputs.Format format = Inputs.Format.AUTO;

    List<Inputs.Source> sources() throws IOException {
        return Inputs.find(input, include, format);
    }

    static long bytes(List<Inputs.Source> sources) {
        return sources.stream().mapToLong(Inputs.Source::bytes).sum();
    }
}
