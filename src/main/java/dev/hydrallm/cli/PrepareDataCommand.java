package dev.hydrallm.cli;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.hydrallm.training.data.Inputs;
import dev.hydrallm.training.data.Preparation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "prepare",
        sortOptions = false,
        description =
                "Makes a token file of conversations and texts. Of a conversation the assistant's answers are learnt, each with"
                        + " the token that ends it; of a text all.",
        footer = {
            "",
            "A conversation must begin with the user's message (a system message may come before it, and an answer before it is"
                    + " left out), and roles must alternate. What is not so is left out and counted.",
            "With --pack, and for texts anyway, what shares a sample stands one after the other in it: the model reads the next"
                    + " with unrelated text before it.",
            "",
            "Example:  hydra data prepare --model lmsys/vicuna-7b-v1.3 --input ShareGPT.json --eval-share 0.01",
            "          hydra data prepare --input sources/ --include '*.py' --output tokens.bin"
        })
final class PrepareDataCommand implements Callable<Integer> {
    @Mixin
    DataInputOptions inputs = new DataInputOptions();

    @Mixin
    BaseTextOptions model = new BaseTextOptions();

    @Option(
            names = "--output",
            paramLabel = "FILE",
            defaultValue = "tokens.bin",
            description = "The token file; a report goes to FILE.json. Default: ${DEFAULT-VALUE}.")
    Path output = Path.of("tokens.bin");

    @Option(
            names = "--model-max-length",
            paramLabel = "TOKENS",
            description = "Most tokens of a sample; a longer conversation is cut. Default: the model's context.")
    @Nullable
    Integer maxLength;

    @Option(
            names = "--pack",
            negatable = true,
            description =
                    "Put several conversations into a sample while there is room; --no-pack gives texts samples of their own,"
                            + " too. Default: texts share samples, conversations do not.")
    @Nullable
    Boolean pack;

    @Option(
            names = "--eval-share",
            paramLabel = "SHARE",
            defaultValue = "0",
            description =
                    "Share of the documents that is held out, in a second token file; the same ones every time. Default:"
                            + " ${DEFAULT-VALUE}.")
    double evalShare;

    @Option(
            names = "--eval-output",
            paramLabel = "FILE",
            description = "The second token file. Default: tokens.eval.bin for tokens.bin.")
    @Nullable
    Path evalOutput;

    @Option(names = "--threads", paramLabel = "N", description = "Default: one for each processor.")
    @Nullable
    Integer threads;

    @Mixin
    ReportOptions printed = new ReportOptions();

    @Override
    public Integer call() throws IOException {
        List<Inputs.Source> sources = inputs.sources();
        Path eval = evalOutput == null ? held(output) : evalOutput;
        Path report = Path.of(output + ".json");
        Inputs.requireApart(sources, evalShare > 0 ? List.of(output, report, eval) : List.of(output, report));
        try (BaseText opened = model.open()) {
            int length = maxLength == null ? opened.context() : maxLength;
            if (length > opened.context()) {
                throw new IllegalArgumentException("--model-max-length " + length + " is longer than the context of "
                        + opened.context() + " tokens");
            }
            Preparation.Options options = new Preparation.Options(
                    length,
                    Optional.ofNullable(pack),
                    evalShare,
                    threads == null ? Runtime.getRuntime().availableProcessors() : threads);
            Progress progress = new Progress("Preparing");
            long total = DataInputOptions.bytes(sources);
            Preparation.Result result = Preparation.run(
                    opened.base(), options, sources, output, eval, done -> progress.show(done, total, "read"));
            Summary summary = new Summary(result);
            Files.writeString(
                    report,
                    JsonMapper.builder()
                                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                                    .build()
                                    .writerWithDefaultPrettyPrinter()
                                    .writeValueAsString(result)
                            + "\n");
            printed.print(summary);
        }
        return 0;
    }

    private static Path held(Path output) {
        String name = output.getFileName().toString();
        int dot = name.lastIndexOf('.');
        return output.resolveSibling(
                dot <= 0 ? name + ".eval" : name.substring(0, dot) + ".eval" + name.substring(dot));
    }

    /** The result. */
    private record Summary(@JsonUnwrapped Preparation.Result result) implements Report {
        @Override
        public String tables(Function<Table, String> style) {
            Table documents = new Table("documents", "count", "the first")
                    .row("read", count(result.read()), "")
                    .row("kept", count(result.kept()), "")
                    .row("cut at " + result.maxLength() + " tokens", count(result.truncated()), "");
            result.dropped()
                    .forEach((reason, count) -> documents.row(
                            "dropped: " + reason,
                            count(count),
                            String.valueOf(result.examples().getOrDefault(reason, ""))));
            Table files = new Table("file", "samples", "tokens", "labelled", "share %", "longest");
            Stream.of(result.train(), result.eval()).forEach(written -> {
                if (written != null) {
                    files.row(
                            written.file(),
                            count(written.samples()),
                            count(written.tokens()),
                            count(written.labelled()),
                            Table.number(100 * written.labelShare(), 1),
                            count(written.longest()));
                }
            });
            return style.apply(documents) + "\n" + style.apply(files);
        }

        private static String count(long number) {
            return String.format(Locale.ROOT, "%,d", number);
        }
    }
}
