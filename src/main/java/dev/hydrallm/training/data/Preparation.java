package dev.hydrallm.training.data;

import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.prompt.Transcript;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** Makes token files of documents: read by one thread, encoded by several, written in the order in which they were read. */
public final class Preparation {
    private static final int WAITING_PER_THREAD = 16;

    /**
     * What text goes through before a base sees it.
     *
     * @param tokenizerDigest SHA-256 of the {@code tokenizer.json}, in hexadecimal
     * @param vocabulary ids are below it
     */
    public record Base(Tokenizer tokenizer, ChatTemplate template, String tokenizerDigest, int vocabulary) {}

    /**
     * How it is cut and shared out.
     *
     * @param maxLength most tokens of a sample
     * @param packing what may share a sample; plain texts do where nothing is said
     * @param evalShare of the documents, chosen by what is in them, that go to a file of their own
     * @param threads that encode
     */
    public record Options(int maxLength, Optional<Boolean> packing, double evalShare, int threads) {
        public Options {
            if (maxLength < 3) {
                throw new IllegalArgumentException("a sample needs 3 tokens at least, not " + maxLength);
            }
            if (!(evalShare >= 0 && evalShare < 1)) {
                throw new IllegalArgumentException("the share held out must be from 0 to below 1, not " + evalShare);
            }
            if (threads < 1) {
                throw new IllegalArgumentException("it takes a thread at least, not " + threads);
            }
        }
    }

    /**
     * A file that was written.
     *
     * @param labelShare labelled tokens ÷ tokens
     */
    public record Written(String file, long samples, long tokens, long labelled, double labelShare, int longest) {}

    /**
     * What happened.
     *
     * @param read documents
     * @param kept of these, those that gave tokens
     * @param dropped how many gave none, or too few once they were cut, by reason
     * @param examples where the first of each reason is
     * @param truncated that were cut at the most tokens of a sample
     * @param eval null when nothing was to be held out
     */
    public record Result(
            long read,
            long kept,
            Map<String, Long> dropped,
            Map<String, String> examples,
            long truncated,
            int maxLength,
            String packing,
            Written train,
            @Nullable Written eval) {}

    private record Pending(Future<Encoded> encoded, String place) {}

    /** One of the files. */
    private record Part(Path file, TokenFileWriter writer, Windows windows) {
        Written written() {
            return new Written(
                    file.toString(),
                    writer.samples(),
                    writer.tokens(),
                    writer.labelled(),
                    writer.tokens() == 0 ? 0 : (double) writer.labelled() / writer.tokens(),
                    writer.longest());
        }
    }

    private final Options options;
    private final DocumentEncoder encoder;
    private final Part train;
    private final @Nullable Part eval;
    private final ArrayDeque<Pending> pending = new ArrayDeque<>();
    private final Map<Drop, Long> dropped = new EnumMap<>(Drop.class);
    private final Map<Drop, String> examples = new EnumMap<>(Drop.class);
    private long read;
    private long kept;
    /** Where the pieces of the text go that is being read. */
    private Part current;

    private Preparation(Base base, Options options, Part train, @Nullable Part eval) {
        this.options = options;
        this.encoder = new DocumentEncoder(
                base.tokenizer(), base.template(), base.tokenizerDigest(), base.vocabulary(), options.maxLength());
        this.train = train;
        this.eval = eval;
        this.current = train;
    }

    /**
     * Makes a token file, and a second one of what is held out.
     *
     * @param eval where the second goes
     * @param progress told how many bytes of the files are read
     * @throws DataFormatException if a file is not what it should be, or nothing is left to learn from
     */
    public static Result run(
            Base base, Options options, List<Inputs.Source> sources, Path output, Path eval, LongConsumer progress)
            throws IOException {
        Windows.Packing packing = options.packing()
                .map(all -> all ? Windows.Packing.ALL : Windows.Packing.NOTHING)
                .orElse(Windows.Packing.TEXTS);
        boolean holds = options.evalShare() > 0;
        if (holds
                && output.toAbsolutePath()
                        .normalize()
                        .equals(eval.toAbsolutePath().normalize())) {
            throw new IllegalArgumentException(output + " cannot hold both what is learnt and what is held out");
        }
        try (TokenFileWriter trainWriter = new TokenFileWriter(output, base.vocabulary(), base.tokenizerDigest());
                @Nullable
                        TokenFileWriter evalWriter =
                                holds ? new TokenFileWriter(eval, base.vocabulary(), base.tokenizerDigest()) : null) {
            Part train = new Part(output, trainWriter, new Windows(trainWriter, packing, options.maxLength()));
            Part held = evalWriter == null
                    ? null
                    : new Part(eval, evalWriter, new Windows(evalWriter, packing, options.maxLength()));
            Preparation preparation = new Preparation(base, options, train, held);
            preparation.readAll(sources, progress);
            Result result = preparation.result(packing);
            if (trainWriter.samples() == 0) {
                throw new DataFormatException("nothing to learn from in " + result.read() + " documents: "
                        + result.dropped().entrySet().stream()
                                .map(reason -> reason.getValue() + " " + reason.getKey())
                                .reduce((a, b) -> a + ", " + b)
                                .orElse("none was found"));
            }
            trainWriter.finish();
            if (evalWriter != null) {
                evalWriter.finish();
            }
            return result;
        }
    }

    private void readAll(List<Inputs.Source> sources, LongConsumer progress) throws IOException {
        int most = WAITING_PER_THREAD * options.threads();
        ExecutorService threads = Executors.newFixedThreadPool(
                options.threads(),
                Thread.ofPlatform().name("hydra-encode-", 0).daemon(true).factory());
        try {
            DocumentReader.read(
                    sources,
                    entry -> {
                        switch (entry) {
                            case Entry.Bad bad -> {
                                // In its turn, so that the examples are the first ones.
                                pending.add(new Pending(
                                        CompletableFuture.completedFuture(new Encoded.Dropped(bad.reason())),
                                        bad.place()));
                            }
                            case Entry.Found found ->
                                pending.add(new Pending(
                                        threads.submit(() -> encoder.encode(found.document())), found.place()));
                        }
                        if (pending.size() > most) {
                            takeFirst();
                        }
                    },
                    progress);
            while (!pending.isEmpty()) {
                takeFirst();
            }
        } finally {
            threads.shutdownNow();
        }
        train.windows().flush();
        if (eval != null) {
            eval.windows().flush();
        }
    }

    private void takeFirst() throws IOException {
        Pending first = pending.removeFirst();
        Encoded encoded;
        try {
            encoded = first.encoded().get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DataFormatException("interrupted", e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        }
        switch (encoded) {
            case Encoded.Dropped none -> {
                read++;
                drop(none.reason(), first.place());
            }
            case Encoded.Samples samples -> {
                read++;
                current = partOf(samples.samples().getFirst().ids());
                Map<Drop, Long> before = Map.copyOf(current.windows().dropped());
                for (Transcript sample : samples.samples()) {
                    current.windows().add(sample);
                }
                boolean all =
                        countWindows(before, first.place(), samples.samples().size());
                kept += all ? 1 : 0;
            }
            case Encoded.Stream stream -> {
                if (stream.edges().contains(Document.Edge.BEGIN)) {
                    read++;
                    kept++;
                    current = partOf(stream.ids());
                }
                current.windows().add(stream.ids(), stream.edges());
            }
        }
    }

    /** Notes where something was too short; whether anything was left. */
    private boolean countWindows(Map<Drop, Long> before, String place, int samples) {
        long gone = 0;
        for (Map.Entry<Drop, Long> now : current.windows().dropped().entrySet()) {
            long more = now.getValue() - before.getOrDefault(now.getKey(), 0L);
            if (more > 0) {
                examples.putIfAbsent(now.getKey(), place);
            }
            gone += more;
        }
        return gone < samples;
    }

    private void drop(Drop reason, String place) {
        dropped.merge(reason, 1L, Long::sum);
        examples.putIfAbsent(reason, place);
    }

    /** By a hash of the tokens, so that equal documents are never on both sides, and a document always on the same. */
    private Part partOf(int[] ids) {
        if (eval == null) {
            return train;
        }
        long hash = 0xcbf29ce484222325L; // FNV-1a
        for (int id : ids) {
            hash = (hash ^ id) * 0x100000001b3L;
        }
        // MurmurHash3's last mix: FNV's high bits are poor.
        hash = (hash ^ (hash >>> 33)) * 0xff51afd7ed558ccdL;
        hash = (hash ^ (hash >>> 33)) * 0xc4ceb9fe1a85ec53L;
        hash ^= hash >>> 33;
        return (hash >>> 11) * 0x1p-53 < options.evalShare() ? eval : train;
    }

    private Result result(Windows.Packing packing) {
        Map<Drop, Long> all = new EnumMap<>(dropped);
        train.windows().dropped().forEach((reason, count) -> all.merge(reason, count, Long::sum));
        long truncated = train.windows().truncated();
        if (eval != null) {
            eval.windows().dropped().forEach((reason, count) -> all.merge(reason, count, Long::sum));
            truncated += eval.windows().truncated();
        }
        Map<String, Long> counts = new LinkedHashMap<>();
        all.forEach((reason, count) -> counts.put(reason.words(), count));
        Map<String, String> places = new LinkedHashMap<>();
        examples.forEach((reason, place) -> places.put(reason.words(), place));
        return new Result(
                read,
                kept,
                counts,
                places,
                truncated,
                options.maxLength(),
                packing.name().toLowerCase(Locale.ROOT),
                train.written(),
                eval == null ? null : eval.written());
    }
}
