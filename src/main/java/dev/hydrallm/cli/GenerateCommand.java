package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.serving.GenerationListener;
import dev.hydrallm.serving.GenerationRequest;
import dev.hydrallm.serving.GenerationResult;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "generate",
        sortOptions = false,
        description = "Generates text from a prompt.",
        footer = {
            "",
            "Example:  hydra generate --prompt 'def fibonacci(n):' --temperature 0 --max-tokens 64",
            "Batch:    hydra generate --batch-file prompts.jsonl --output answers.jsonl",
            "          Each line is an object with \"prompt\" or \"prompt_ids\" and any of the options in snake_case."
        })
final class GenerateCommand implements Callable<Integer> {

    @Option(names = "--prompt", paramLabel = "TEXT", description = "The prompt.")
    @Nullable
    String prompt;

    @Option(names = "--prompt-file", paramLabel = "FILE", description = "A file that holds the prompt.")
    @Nullable
    Path promptFile;

    @Option(names = "--batch-file", paramLabel = "IN.jsonl", description = "Many prompts, one JSON object a line.")
    @Nullable
    Path batchFile;

    @Parameters(paramLabel = "-", arity = "0..1", description = "A single - reads the prompt from standard input.")
    @Nullable
    String standardInput;

    @Option(names = "--output", paramLabel = "OUT.jsonl", description = "Where a batch's answers go. Default: stdout.")
    @Nullable
    Path output;

    @Option(names = "--json", description = "Print one JSON object on one line instead of streaming the text.")
    boolean json;

    @Option(names = "--raw", description = "Use the prompt as it is, without the model's chat template.")
    boolean raw;

    @Mixin
    SamplingOptions sampling = new SamplingOptions();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    @Spec
    @Nullable
    CommandSpec spec;

    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    @Override
    public Integer call() throws IOException {
        requireOneSource();
        AcceptanceRule rule = sampling.rule();
        if (batchFile == null) {
            if (output != null) {
                throw new IllegalArgumentException("--output is for --batch-file; redirect a single answer");
            }
            String text = readPrompt();
            try (TextModel model = Models.load(modelOptions)) {
                one(model, text, rule);
            }
            return 0;
        }
        BatchFile.Prompts prompts = BatchFile.read(batchFile);
        // The answers of the run before are overwritten only when there is a model to give others.
        try (TextModel model = Models.load(modelOptions);
                BatchFile batch = BatchFile.open(prompts, output)) {
            return batch.run(model, modelOptions, sampling, raw) ? 0 : Cli.FAILED;
        }
    }

    /** The prompts come from exactly one place; one on the command line hides those of the environment. */
    private void requireOneSource() {
        CommandLine line = Objects.requireNonNull(spec).commandLine();
        boolean promptGiven = line.getParseResult().hasMatchedOption("--prompt");
        boolean promptFileGiven = line.getParseResult().hasMatchedOption("--prompt-file");
        boolean batchFileGiven = line.getParseResult().hasMatchedOption("--batch-file");
        if (promptGiven || promptFileGiven || batchFileGiven || standardInput != null) {
            prompt = promptGiven ? prompt : null;
            promptFile = promptFileGiven ? promptFile : null;
            batchFile = batchFileGiven ? batchFile : null;
        }
        if (Stream.of(prompt, promptFile, batchFile, standardInput)
                        .filter(Objects::nonNull)
                        .count()
                != 1) {
            throw new ParameterException(line, "give one of --prompt, --prompt-file, --batch-file and -");
        }
    }

    private String readPrompt() throws IOException {
        if (prompt != null) {
            return prompt;
        }
        if (promptFile != null) {
            return Texts.read(promptFile);
        }
        if (!"-".equals(standardInput)) {
            throw new IllegalArgumentException("unexpected argument '" + standardInput
                    + "': give the prompt with --prompt, or - to read standard input");
        }
        return Texts.readStandardInput();
    }

    private void one(TextModel model, String text, AcceptanceRule rule) {
        int[] ids = raw ? model.encode(text) : model.encode(List.of(new Message("user", text)));
        GenerationRequest request = new GenerationRequest(
                ids,
                rule,
                Models.speculation(model, modelOptions),
                sampling.stops(model.endTokens(), StopRules.UNLIMITED),
                sampling.stop);
        GenerationListener listener = json
                ? GenerationListener.NONE
                : (piece, origin) -> {
                    out.print(piece);
                    out.flush();
                };
        GenerationResult result = model.generate(request, listener).result().join();
        if (json) {
            out.println(GenerationJson.of(ids, rule, result).line());
            out.flush();
        } else {
            out.println();
            out.flush();
            System.err.println(summary(result, rule));
        }
    }

    /** The answer's figures on one line. */
    static String summary(GenerationResult result, AcceptanceRule rule) {
        int tokens = result.statistics().generatedTokens();
        String seed = rule instanceof AcceptanceRule.Sampled sampled ? ", seed " + sampled.seed() : "";
        return String.format(
                Locale.ROOT,
                "[%d tokens in %.2f s: %.0f tokens/s, %.2f tokens/step%s]",
                tokens,
                result.timings().total() / 1e9,
                result.timings().tokensPerSecond(tokens),
                result.statistics().tokensPerStep(),
                seed);
    }
}
