package dev.hydrallm.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Whose tokenizer and chat template, where weights are of no use. */
final class BaseTextOptions {
    @Option(
            names = "--model",
            paramLabel = "PATH|ORG/NAME",
            description =
                    "Whose tokenizer and chat template: a packed model, a checkpoint's or draft heads' directory, a GGUF"
                            + " file or a hub's repository. Default: the demo model.")
    @Nullable
    Path model;

    @Option(
            names = "--base-model",
            paramLabel = "PATH|ORG/NAME",
            description = "The base of draft heads, instead of the one their config.json names.")
    @Nullable
    Path baseModel;

    @Mixin
    ChatTemplateOption template = new ChatTemplateOption();

    @Spec(Spec.Target.MIXEE)
    @Nullable
    CommandSpec command;

    BaseText open() throws IOException {
        return BaseText.open(model, baseModel, template, command == null ? System::getenv : Cli.environment(command));
    }
}
