package dev.hydrallm.cli;

import dev.hydrallm.evaluation.DraftReader;
import dev.hydrallm.evaluation.HeadAccuracy;
import dev.hydrallm.evaluation.RankHits;
import dev.hydrallm.evaluation.SlidingWindows;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "heads",
        sortOptions = false,
        description =
                "Measures how often draft heads are right, at every place of texts: top-N is the share of tokens that"
                        + " were among a head's N best guesses.",
        footer = {
            "",
            "Head 1 guesses the token after the next, head 2 the one behind that, and so on. Against the text a guess is right"
                    + " if it is the text's own token; against the base if it is what the base would have chosen greedily in"
                    + " that place, given the text up to there, which is what decoding accepts by. ± is half of the 95 %%"
                    + " interval (Wilson's), for independent tokens.",
            "",
            "Example:  hydra eval heads --text held-out.py",
            "          hydra eval heads --model PACK --text a.txt --text b.txt --against base --format json",
            "          hydra eval heads --model PACK --text held-out.tokens"
        })
final class HeadsCommand implements Callable<Integer> {
    /** What a guess is held against. */
    enum Against {
        TEXT,
        BASE,
        BOTH
    }

    @Option(
            names = "--text",
            paramLabel = "FILE",
            required = true,
            arity = "1..*",
            description =
                    "Texts in UTF-8, each read for itself, or token files of hydra data prepare, whose labelled tokens count."
                            + " Take some that the heads have not been trained on.")
    List<Path> texts = new ArrayList<>();

    @Option(
            names = "--against",
            paramLabel = "WHAT",
            defaultValue = "both",
            description =
                    "text: the text's own tokens. base: the base's greedy choices in the same places. both. Default:"
                            + " ${DEFAULT-VALUE}.")
    Against against = Against.BOTH;

    @Option(
            names = "--ranks",
            paramLabel = "N",
            defaultValue = "10",
            description = "Best guesses of each head that are looked at. Default: ${DEFAULT-VALUE}.")
    int ranks;

    @Mixin
    WindowOptions windowOptions = new WindowOptions();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    @Mixin
    ReportOptions printed = new ReportOptions();

    /**
     * One head.
     *
     * @param head from 1; 0 is the base itself, with its greedy choice only
     * @param asked tokens that it was asked for
     * @param hits by rank from the best: how often the token was the guess of that rank
     * @param top by N from 1: share of the tokens among the N best guesses
     * @param interval by N: of 95 % around that share
     */
    record Head(int head, long asked, List<Long> hits, List<Double> top, List<RankHits.Interval> interval) {
        static Head of(int head, RankHits measured) {
            List<Integer> all =
                    IntStream.rangeClosed(1, measured.hits().size()).boxed().toList();
            return new Head(
                    head,
                    measured.asked(),
                    measured.hits(),
                    all.stream().map(measured::top).toList(),
                    all.stream().map(measured::interval).toList());
        }

        static List<Head> of(List<RankHits> measured) {
            return IntStream.range(0, measured.size())
                    .mapToObj(i -> of(i + 1, measured.get(i)))
                    .toList();
        }
    }

    /**
     * What was measured.
     *
     * @param tokens labelled tokens behind the first of each text
     * @param text against the text's own tokens, the base first; null if that was not asked for
     * @param base against the base's greedy choices; null if that was not asked for
     * @param seconds of reading, loading left out
     */
    record Result(
            String model,
            int window,
            int stride,
            long tokens,
            @Nullable List<Head> text,
            @Nullable List<Head> base,
            double seconds)
            implements Report {

        @Override
        public String tables(Function<Table, String> style) {
            StringBuilder all = new StringBuilder(String.format(
                    "%s: %d tokens in windows of %d, stride %d: %s seconds%n",
                    model, tokens, window, stride, Table.number(seconds, 1)));
            if (text != null) {
                all.append(String.format("%nagainst the text%n%n%s", style.apply(table(text))));
            }
            if (base != null) {
                all.append(String.format("%nagainst the base's greedy choice%n%n%s", style.apply(table(base))));
            }
            return all.toString();
        }

        private static Table table(List<Head> heads) {
            int ranks = heads.getLast().hits().size();
            Table table = new Table(Stream.concat(
                            Stream.of("", "tokens", "top-1 %"),
                            IntStream.rangeClosed(2, ranks).mapToObj(rank -> "top-" + rank))
                    .toArray(String[]::new));
            for (Head head : heads) {
                List<String> cells = new ArrayList<>(
                        List.of(head.head == 0 ? "base" : "head " + head.head, String.valueOf(head.asked)));
                for (int rank = 0; rank < ranks; rank++) {
                    cells.add(rank < head.top.size() ? cell(head, rank) : "");
                }
                table.row(cells.toArray(String[]::new));
            }
            return table;
        }

        private static String cell(Head head, int rank) {
            String share = Table.number(100 * head.top.get(rank), 1);
            RankHits.Interval interval = head.interval.get(rank);
            return rank > 0 ? share : share + " ± " + Table.number(50 * (interval.high() - interval.low()), 1);
        }
    }

    @Override
    public Integer call() throws IOException {
        if (ranks < 1) {
            throw new IllegalArgumentException("--ranks must be at least 1, not " + ranks);
        }
        HeldOutTexts heldOut = new HeldOutTexts(texts);
        try (PackedModel pack = Models.openWithHeads(modelOptions);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack)) {
            SlidingWindows windows = windowOptions.of(Models.context(pack, modelOptions));
            List<HeadAccuracy.Text> read = heldOut.of(pack, tokenizer);
            int longest = read.stream()
                    .mapToInt(text -> windows.sizeFor(text.tokens().length))
                    .max()
                    .orElseThrow();
            int all = read.stream().mapToInt(text -> text.tokens().length - 1).sum();
            try (DraftReader reader = Models.draftReader(pack, modelOptions, longest)) {
                Progress progress = new Progress("Reading");
                long start = System.nanoTime();
                HeadAccuracy measured =
                        HeadAccuracy.of(reader, read, windows, ranks, done -> progress.count(done, all, "tokens"));
                printed.print(result(pack, windows, measured, (System.nanoTime() - start) / 1e9));
            }
        }
        return 0;
    }

    private Result result(PackedModel pack, SlidingWindows windows, HeadAccuracy measured, double seconds) {
        List<Head> text = new ArrayList<>(List.of(Head.of(0, measured.base())));
        text.addAll(Head.of(measured.ofText()));
        return new Result(
                Models.label(pack),
                windows.size(),
                windows.stride(),
                measured.tokens(),
                against == Against.BASE ? null : text,
                against == Against.TEXT ? null : Head.of(measured.ofBase()),
                seconds);
    }
}
