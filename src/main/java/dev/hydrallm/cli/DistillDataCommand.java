package dev.hydrallm.cli;

import dev.hydrallm.hub.Patience;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.serving.TextModel;
import dev.hydrallm.training.data.Distillation;
import dev.hydrallm.training.data.Generator;
import dev.hydrallm.training.data.Inputs;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "distill",
        sortOptions = false,
        description =
                "Has the base answer conversations' questions itself, so that draft heads learn what it says. The answers in the"
                        + " input are not used.",
        footer = {
            "",
            "A line is written for each conversation that is answered, in the order in which they end; hydra data prepare reads the"
                    + " file. What was answered is kept when the command is ended, and not asked again when it is run again.",
            "",
            "Example:  hydra data distill --model base/ --input ShareGPT.json --output answers.jsonl",
            "          hydra data distill --endpoint http://localhost:8080/v1 --input prompts.jsonl --parallel 16",
            "          hydra data distill --input sources/ --include '*.py' --continue-text --prompt-tokens 64 --max-tokens 448"
        })
final class DistillDataCommand implements Callable<Integer> {
    @Mixin
    DataInputOptions inputs = new DataInputOptions();

    @Option(
            names = "--output",
            paramLabel = "FILE",
            defaultValue = "answers.jsonl",
            description = "Where the answers go; what it holds already stays. Default: ${DEFAULT-VALUE}.")
    Path output = Path.of("answers.jsonl");

    @Option(
            names = "--parallel",
            paramLabel = "N",
            defaultValue = "4",
            description = "Conversations that are answered at once. Default: ${DEFAULT-VALUE}.")
    int parallel;

    @Option(names = "--limit", paramLabel = "N", description = "Read only the first N conversations or texts.")
    @Nullable
    Long limit;

    @Option(
            names = "--continue-text",
            description = "Read texts, and have the base go on after the beginning of each; only that is learnt.")
    boolean continueText;

    @Option(
            names = "--prompt-tokens",
            paramLabel = "TOKENS",
            defaultValue = "64",
            description = "Tokens of a text's beginning that are given. Default: ${DEFAULT-VALUE}.")
    int promptTokens;

    @Option(
            names = "--endpoint",
            paramLabel = "URL",
            description =
                    "Ask this server, which has OpenAI's API and chat templates of its own, instead of a model in this process.")
    @Nullable
    URI endpoint;

    @Option(
            names = "--endpoint-model",
            paramLabel = "NAME",
            description = "Which of the server's models. Default: the first that it lists.")
    @Nullable
    String endpointModel;

    @Option(
            names = "--api-key-env",
            paramLabel = "VARIABLE",
            defaultValue = "OPENAI_API_KEY",
            description =
                    "The environment variable that holds the server's key, if it wants one. Default: ${DEFAULT-VALUE}.")
    String apiKeyVariable = "OPENAI_API_KEY";

    @Mixin
    ChatTemplateOption template = new ChatTemplateOption();

    @Mixin
    SamplingOptions sampling = new SamplingOptions();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    @Spec
    CommandSpec command = CommandSpec.create();

    @Override
    public Integer call() throws IOException {
        Map<String, String> options = options();
        sampling.rule();
        if (parallel < 1) {
            throw new IllegalArgumentException("--parallel must be at least 1, not " + parallel);
        }
        List<Inputs.Source> sources = inputs.sources();
        Inputs.requireApart(sources, List.of(output));
        try (BaseText opened =
                BaseText.open(modelOptions.model, modelOptions.baseModel, template, Cli.environment(command))) {
            Optional<Distillation.Continuation> continuation = continueText
                    ? Optional.of(new Distillation.Continuation(opened.base().tokenizer(), promptTokens))
                    : Optional.empty();
            Progress progress = new Progress("Answering");
            if (endpoint != null) {
                EnvironmentDefaults.Environment environment = Cli.environment(command);
                try (EndpointGenerator generator = new EndpointGenerator(
                        endpoint,
                        Optional.ofNullable(environment.get(apiKeyVariable)).filter(key -> !key.isEmpty()),
                        endpointModel,
                        sampling,
                        Patience.DEFAULT,
                        line -> progress.notice("hydra: " + line))) {
                    run(generator, opened.base().template(), continuation, sources, options, progress);
                }
            } else {
                try (TextModel model = Models.load(modelOptions, parallel, parallel)) {
                    run(
                            new LocalGenerator(model, opened.base(), modelOptions, sampling),
                            opened.base().template(),
                            continuation,
                            sources,
                            options,
                            progress);
                }
            }
        }
        return 0;
    }

    /** What answers depend on, before a seed is made up. */
    private Map<String, String> options() {
        Map<String, String> options = new LinkedHashMap<>();
        sampling.describe(options);
        if (template.given != null) {
            options.put("--chat-template", template.given);
        }
        if (continueText) {
            options.put("--prompt-tokens", String.valueOf(promptTokens));
        }
        return options;
    }

    private void run(
            Generator generator,
            ChatTemplate template,
            Optional<Distillation.Continuation> continuation,
            List<Inputs.Source> sources,
            Map<String, String> options,
            Progress progress)
            throws IOException {
        Distillation.Result result = Distillation.run(
                generator,
                template,
                continuation,
                sources,
                new Distillation.Output(output, options),
                parallel,
                limit == null ? Long.MAX_VALUE : limit,
                new Distillation.Listener() {
                    @Override
                    public void done(long documents, long all) {
                        progress.count((int) documents, (int) all, continueText ? "texts" : "conversations");
                    }

                    @Override
                    public void notice(String line) {
                        progress.notice("hydra: " + line);
                    }
                });
        System.err.printf(
                "%d answered into %s, %d were there already, %d without a question, %d refused.%n",
                result.answered(), output, result.earlier(), result.skipped(), result.refused());
    }
}
