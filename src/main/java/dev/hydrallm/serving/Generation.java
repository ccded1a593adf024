package dev.hydrallm.serving;

import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.Statistics;
import dev.hydrallm.decoding.TokenSink;
import dev.hydrallm.prompt.TextAssembler;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** A submitted request: its result to come, and the means to end it early. */
public final class Generation {
    private final GenerationRequest request;
    private final GenerationListener listener;
    private final TextAssembler assembler;
    private final DecodeLoop loop;
    private final StringBuilder text = new StringBuilder();
    private final CompletableFuture<GenerationResult> result = new CompletableFuture<>();
    private final AtomicReference<@Nullable Sequence> sequence = new AtomicReference<>();
    /** Its first end counts: one that failed in a step is finished like the others afterwards, and one may be cancelled meanwhile. */
    private final AtomicBoolean ended = new AtomicBoolean();

    private final long submitted = System.nanoTime();
    private long started;
    private long firstToken;
    private volatile boolean cancelled;

    Generation(GenerationRequest request, GenerationListener listener, TextAssembler assembler, DecodeLoop loop) {
        this.request = request;
        this.listener = listener;
        this.assembler = assembler;
        this.loop = loop;
    }

    /** Completes on the decoding thread; exceptionally if this request failed. */
    public CompletableFuture<GenerationResult> result() {
        return result;
    }

    /** Ends it before its next step, or before it starts; what there is by then is its result. */
    public void cancel() {
        cancelled = true;
        Sequence running = sequence.get();
        if (running != null) {
            running.cancel();
        } else if (loop.withdraw(this)) {
            finishUnstarted();
        }
    }

    boolean cancelled() {
        return cancelled;
    }

    /** Gives the request a slot. */
    Sequence start(KvSlots slots) {
        started = System.nanoTime();
        Sequence made = new Sequence(
                slots.acquire(request.prompt(), request.speculation().tree()),
                request.prompt(),
                request.speculation(),
                request.rule(),
                request.stops(),
                this::take);
        sequence.set(made);
        if (cancelled) {
            made.cancel();
        }
        return made;
    }

    private TokenSink.Demand take(int token, TokenSink.Origin origin) {
        if (firstToken == 0) {
            firstToken = System.nanoTime();
        }
        TextAssembler.Piece piece = assembler.push(token);
        show(piece.text(), origin);
        return piece.end() == TextAssembler.End.STOPPED ? TokenSink.Demand.STOP : TokenSink.Demand.MORE;
    }

    private void show(String piece, TokenSink.Origin origin) {
        if (!piece.isEmpty()) {
            text.append(piece);
            listener.onText(piece, origin);
        }
    }

    void finish(Sequence ended) {
        show(assembler.finish().text(), TokenSink.Origin.BASE);
        long end = System.nanoTime();
        long first = firstToken == 0 ? end : firstToken;
        end(new GenerationResult(
                ended.output(),
                text.toString(),
                ended.finished().orElseThrow(),
                ended.statistics(),
                new GenerationResult.Timings(started - submitted, first - started, end - started)));
    }

    /** It was cancelled before it had a slot. */
    void finishUnstarted() {
        end(new GenerationResult(
                new int[0],
                "",
                FinishReason.CANCELLED,
                Statistics.none(request.prompt().length),
                new GenerationResult.Timings(System.nanoTime() - submitted, 0, 0)));
    }

    private void end(GenerationResult value) {
        if (ended.compareAndSet(false, true)) {
            try {
                listener.onEnd(value);
            } finally {
                result.complete(value);
            }
        }
    }

    void fail(Throwable reason) {
        if (ended.compareAndSet(false, true)) {
            try {
                listener.onFailure();
            } finally {
                result.completeExceptionally(reason);
            }
        }
    }
}
