package dev.hydrallm.serving;

import dev.hydrallm.decoding.Statistics;
import dev.hydrallm.decoding.TokenSink.Origin;
import dev.hydrallm.serving.GenerationResult.Timings;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.TimeGauge;
import io.micrometer.core.instrument.Timer;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * What the server generated, waited for and started with, as metrics. The names of speculation end as vLLM's and
 * llama.cpp's do. Thread-safe.
 */
@ApplicationScoped
final class GenerationMetrics {
    private static final Duration[] LATENCY_BUCKETS = {
        Duration.ofMillis(1),
        Duration.ofMillis(5),
        Duration.ofMillis(20),
        Duration.ofMillis(100),
        Duration.ofMillis(500),
        Duration.ofSeconds(2),
        Duration.ofSeconds(10),
        Duration.ofSeconds(60)
    };

    private final MeterRegistry registry;
    private final Counter promptTokens;
    private final Counter reusedTokens;
    private final Counter generationTokens;
    private final Counter drafts;
    private final Counter draftTokens;
    private final Counter acceptedTokens;
    private final Timer queued;
    private final Timer firstToken;
    private final Timer interToken;

    GenerationMetrics(MeterRegistry registry) {
        this.registry = registry;
        promptTokens = counter("hydra.prompt.tokens", "Tokens of prompts");
        reusedTokens = counter("hydra.prompt.tokens.reused", "Prompt tokens whose KV rows a slot still held");
        generationTokens = counter("hydra.generation.tokens", "Tokens generated");
        drafts = counter("hydra.spec.decode.num.drafts", "Steps that verified a draft tree");
        draftTokens = counter("hydra.spec.decode.num.draft.tokens", "Tokens proposed by draft heads or by the text");
        acceptedTokens = counter("hydra.spec.decode.num.accepted.tokens", "Proposed tokens that were accepted");
        queued = timer("hydra.queue.time", "Waiting for a slot");
        firstToken = timer("hydra.time.to.first.token", "From the request's arrival to its first token");
        interToken = timer("hydra.inter.token.latency", "Mean time from one token of a request to its next");
    }

    private Counter counter(String name, String description) {
        return Counter.builder(name).description(description).register(registry);
    }

    private Timer timer(String name, String description) {
        return Timer.builder(name)
                .description(description)
                .serviceLevelObjectives(LATENCY_BUCKETS)
                .register(registry);
    }

    /** Shows how busy a loaded model is. */
    void watch(TextModel model) {
        gauge("hydra.requests.running", "Requests that have a slot", model.loop(), DecodeLoop::running);
        gauge("hydra.requests.waiting", "Requests that wait for a slot", model.loop(), DecodeLoop::waiting);
        gauge(
                "hydra.slots",
                "Requests that can run at once",
                model,
                each -> each.limits().slots());
        gauge(
                "hydra.kv.cache.usage.ratio",
                "Committed tokens of running requests by all that the KV cache can hold",
                model,
                each -> (double) each.loop().committedTokens()
                        / ((double) each.limits().slots() * each.limits().contextLength()));
    }

    private <T> void gauge(String name, String description, T of, java.util.function.ToDoubleFunction<T> value) {
        Gauge.builder(name, of, value)
                .description(description)
                .strongReference(true)
                .register(registry);
    }

    /** Shows what the start spent its time on. */
    void started(StartPhases phases) {
        phases.all()
                .forEach((phase, time) -> TimeGauge.builder("hydra.start", time::toNanos, TimeUnit.NANOSECONDS)
                        .description(
                                "Phases of the start; some overlap, and jvm, door, http and ready count from the process's start")
                        .tag("phase", phase)
                        .register(registry));
    }

    /** Counts how a request ends, before its result is seen: who reads the metrics after an answer finds it there. */
    GenerationListener counting(GenerationListener listener) {
        return new GenerationListener() {
            @Override
            public void onText(String text, Origin origin) {
                listener.onText(text, origin);
            }

            @Override
            public void onEnd(GenerationResult result) {
                ended(result);
                listener.onEnd(result);
            }

            @Override
            public void onFailure() {
                outcome("error");
                listener.onFailure();
            }
        };
    }

    private void ended(GenerationResult result) {
        outcome(result.finishReason().name().toLowerCase(Locale.ROOT));
        Statistics statistics = result.statistics();
        promptTokens.increment(statistics.promptTokens());
        reusedTokens.increment(statistics.reusedTokens());
        generationTokens.increment(statistics.generatedTokens());
        drafts.increment(statistics.draftedSteps().stream().findFirst().orElse(0));
        draftTokens.increment(statistics.draftedTokens());
        acceptedTokens.increment(statistics.acceptedDrafts());
        List<Integer> accepted = statistics.acceptedSteps();
        for (int depth = 0; depth < accepted.size(); depth++) {
            Counter.builder("hydra.spec.decode.num.accepted.tokens.per.pos")
                    .description("Accepted tokens by their place in the draft, from 0")
                    .tag("position", String.valueOf(depth))
                    .register(registry)
                    .increment(accepted.get(depth));
        }
        Timings timings = result.timings();
        queued.record(timings.queued(), TimeUnit.NANOSECONDS);
        if (statistics.generatedTokens() > 0) {
            firstToken.record(timings.queued() + timings.firstToken(), TimeUnit.NANOSECONDS);
        }
        if (statistics.generatedTokens() > 1) {
            long decoding = timings.total() - timings.firstToken();
            interToken.record(decoding / (statistics.generatedTokens() - 1), TimeUnit.NANOSECONDS);
        }
    }

    private void outcome(String outcome) {
        Counter.builder("hydra.requests")
                .description("Requests by how they ended")
                .tag("outcome", outcome)
                .register(registry)
                .increment();
    }
}
