package dev.hydrallm.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** A chat template instead of the model's own. */
final class ChatTemplateOption {
    @Option(
            names = {"--chat-template", "--conv-template"},
            paramLabel = "NAME|FILE",
            description = "vicuna_v1.1, raw, or a file with a Jinja template. Default: the model's.")
    @Nullable
    String given;

    /** The built-in template's name, or the file's content; null where none is given. */
    @Nullable
    String text() throws IOException {
        return given != null && Files.isRegularFile(Path.of(given)) ? Texts.read(Path.of(given)) : given;
    }
}
