package dev.hydrallm.cli;

import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.training.Sample;
import dev.hydrallm.training.data.TokenFile;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "inspect",
        sortOptions = false,
        description =
                "Shows what a token file holds, and of a sample the text with what is learnt marked: green on a terminal,"
                        + " ⟦like this⟧ elsewhere.",
        footer = {"", "Example:  hydra data inspect tokens.bin --sample 3 --model base/"})
final class InspectDataCommand implements Callable<Integer> {
    private static final Pattern CONTROL = Pattern.compile("[\\p{Cc}&&[^\\n\\t]]");

    @Parameters(paramLabel = "FILE", description = "The token file.")
    Path file = Path.of("");

    @Option(names = "--sample", paramLabel = "N", description = "Print this sample, counted from 0.")
    @Nullable
    Integer sample;

    @Mixin
    BaseTextOptions model = new BaseTextOptions();

    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    @Override
    public Integer call() throws IOException {
        try (TokenFile tokens = TokenFile.open(file)) {
            if (sample != null && (sample < 0 || sample >= tokens.count())) {
                throw new IllegalArgumentException(
                        file + " has " + tokens.count() + " samples, none of number " + sample + " counted from 0");
            }
            if (sample == null) {
                out.print(new Table("samples", "tokens", "labelled", "share %", "longest", "vocabulary", "fingerprint")
                        .row(
                                String.valueOf(tokens.count()),
                                String.valueOf(tokens.tokens()),
                                String.valueOf(tokens.labelled()),
                                Table.number(100.0 * tokens.labelled() / Math.max(1, tokens.tokens()), 1),
                                String.valueOf(tokens.longest()),
                                String.valueOf(tokens.vocabulary()),
                                tokens.fingerprint())
                        .text());
            } else {
                try (BaseText opened = model.open()) {
                    if (!opened.base().tokenizerDigest().equals(tokens.tokenizer())) {
                        throw new IllegalArgumentException(
                                file + " was prepared with another tokenizer: give its model with --model");
                    }
                    print(tokens.get(sample), opened.base().tokenizer());
                }
            }
        }
        out.flush();
        return 0;
    }

    private void print(Sample shown, Tokenizer tokenizer) {
        boolean terminal = Terminals.isTerminal();
        int learnt = 0;
        String before = "";
        for (int begin = 0, end; begin < shown.tokens().length; begin = end) {
            boolean labelled = shown.labelled()[begin];
            end = begin;
            while (end < shown.tokens().length && shown.labelled()[end] == labelled) {
                end++;
            }
            learnt += labelled ? end - begin : 0;
            // A decoder looks at a token's neighbours, so the text of some tokens is what they add to those before
            // them.
            String text = tokenizer.decodeAll(Arrays.copyOf(shown.tokens(), end));
            String fresh = CONTROL.matcher(text.substring(Math.min(before.length(), text.length())))
                    .replaceAll("\uFFFD");
            before = text;
            if (labelled) {
                out.print(terminal ? "\033[32m" + fresh + "\033[0m" : "⟦" + fresh + "⟧");
            } else {
                out.print(fresh);
            }
        }
        out.println();
        out.flush();
        System.err.printf(
                Locale.ROOT, "[sample %d: %d tokens, %d of them learnt]%n", sample, shown.tokens().length, learnt);
    }
}
