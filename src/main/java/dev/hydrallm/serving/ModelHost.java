package dev.hydrallm.serving;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.StopRules;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CompletionException;
import org.jboss.logging.Logger;

/**
 * The server's one model, from loading to draining. It is ready only after a self-test generation; if it cannot be
 * loaded the process ends with exit code 1 and the reason. Thread-safe.
 */
@ApplicationScoped
public class ModelHost {
    private static final Logger LOG = Logger.getLogger(ModelHost.class);
    private static final int SELF_TEST_TOKENS = 4;
    private static final long LONGEST_RETRY_SECONDS = 60;

    /** Where the model is in its life. */
    public sealed interface State {
        /** Not yet; requests may come back in a moment. */
        record Loading(Instant since) implements State {}

        /** Serving. */
        record Ready(TextModel model) implements State {}

        /** Never to be; the process is about to end. */
        record Failed(String reason) implements State {}
    }

    private final ModelOpener opener;
    private final ServingConfig config;
    private final GenerationMetrics metrics;
    private final StartPhases phases = StartPhases.ofProcess();
    private volatile State state = new State.Loading(Instant.now());

    ModelHost(ModelOpener opener, ServingConfig config, GenerationMetrics metrics) {
        this.opener = opener;
        this.config = config;
        this.metrics = metrics;
    }

    /** The present state. */
    public State state() {
        return state;
    }

    /** Whether the process can still serve, now or after loading; if not only a new one helps. */
    public boolean alive() {
        return switch (state) {
            case State.Loading loading -> true;
            case State.Ready(TextModel model) -> model.loop().alive();
            case State.Failed failed -> false;
        };
    }

    /**
     * The loaded model.
     *
     * @throws ModelUnavailableException if there is none
     */
    public TextModel model() {
        return switch (state) {
            case State.Ready(TextModel model) -> model;
            case State.Loading(Instant since) -> {
                // As long again as it has taken so far: the best guess without knowing what is slow.
                long seconds = Duration.between(since, Instant.now()).toSeconds() + 1;
                throw new ModelUnavailableException(
                        "the model is still being loaded; try again in a moment",
                        Duration.ofSeconds(Math.min(seconds, LONGEST_RETRY_SECONDS)));
            }
            case State.Failed(String reason) ->
                throw new ModelUnavailableException(
                        "the model could not be loaded: " + reason, Duration.ofSeconds(LONGEST_RETRY_SECONDS));
        };
    }

    /**
     * Queues a request of the loaded model and counts how it ends.
     *
     * @throws ModelUnavailableException if there is no model
     * @throws QueueFullException if too many wait already
     * @throws PromptTooLongException if the prompt leaves no room in the context
     */
    public Generation generate(GenerationRequest request, GenerationListener listener) {
        return model().generate(request, metrics.counting(listener));
    }

    void start(@Observes StartupEvent event) {
        phases.reached("http");
        // The HTTP port answers 503 until this is done.
        Thread.ofPlatform().name("hydra-load").daemon(true).start(this::load);
    }

    private void load() {
        try {
            TextModel model = opener.open(config);
            phases.during("self_test", () -> selfTest(model));
            Duration ready = phases.reached("ready");
            metrics.watch(model);
            metrics.started(phases);
            LOG.infof(
                    "%s is ready %d ms after the process started (%s): %d slot(s), context %d, draft tree of %d nodes, %s",
                    model.name(),
                    ready.toMillis(),
                    phases,
                    model.limits().slots(),
                    model.limits().contextLength(),
                    model.speculation().tree().nodes(),
                    model.speculation().extent().name().toLowerCase(Locale.ROOT));
            state = new State.Ready(model);
        } catch (Throwable e) {
            fail(e);
        }
    }

    private void fail(Throwable error) {
        Throwable told = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        // An error's message alone says little.
        String message = told instanceof Error ? null : told.getMessage();
        String reason = message == null ? told.toString() : message;
        state = new State.Failed(reason);
        LOG.errorf("the model cannot be served: %s", reason);
        LOG.debug("the reason", error);
        Quarkus.asyncExit(1);
    }

    private static void selfTest(TextModel model) {
        GenerationRequest request = new GenerationRequest(
                model.encode("def"),
                new AcceptanceRule.Greedy(),
                model.speculation(),
                new StopRules(Set.of(), SELF_TEST_TOKENS, StopRules.UNLIMITED),
                List.of());
        GenerationResult result =
                model.generate(request, GenerationListener.NONE).result().join();
        if (result.outputIds().length == 0) {
            throw new IllegalStateException("the self-test generated nothing");
        }
    }

    /** Finishes what runs and waits. */
    void stop(@Observes ShutdownEvent event) {
        if (state instanceof State.Ready(TextModel model)) {
            model.close();
        }
    }
}
