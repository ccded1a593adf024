package dev.hydrallm.serving;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.StopRules;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.util.List;
import java.util.Set;
import org.jboss.logging.Logger;

/**
 * The server's one model, from loading to draining. It is ready only after a self-test generation; if it cannot be
 * loaded the process ends with exit code 1 and the reason.
 */
@ApplicationScoped
public final class ModelHost {
    private static final Logger LOG = Logger.getLogger(ModelHost.class);
    private static final int SELF_TEST_TOKENS = 4;

    /** Where the model is in its life. */
    public sealed interface State {
        /** Not yet; requests may come back in a moment. */
        record Loading() implements State {}

        /** Serving. */
        record Ready(TextModel model) implements State {}

        /** Never to be; the process is about to end. */
        record Failed(String reason) implements State {}
    }

    private final ModelOpener opener;
    private final ServingConfig config;
    private volatile State state = new State.Loading();

    ModelHost(ModelOpener opener, ServingConfig config) {
        this.opener = opener;
        this.config = config;
    }

    /** The present state. */
    public State state() {
        return state;
    }

    void start(@Observes StartupEvent event) {
        // The HTTP port is open by now and answers 503 until this is done.
        Thread.ofPlatform().name("hydra-load").daemon(true).start(this::load);
    }

    private void load() {
        long start = System.nanoTime();
        try {
            TextModel model = opener.open(config);
            selfTest(model);
            state = new State.Ready(model);
            LOG.infof(
                    "%s is ready after %d ms: %d slot(s), context %d, tree of %d nodes",
                    model.name(),
                    (System.nanoTime() - start) / 1_000_000,
                    model.limits().slots(),
                    model.limits().contextLength(),
                    model.tree().nodes());
        } catch (RuntimeException e) {
            String reason = e.getMessage() == null ? e.toString() : e.getMessage();
            state = new State.Failed(reason);
            LOG.errorf("the model cannot be served: %s", reason);
            LOG.debug("the reason", e);
            Quarkus.asyncExit(1);
        }
    }

    private static void selfTest(TextModel model) {
        GenerationRequest request = new GenerationRequest(
                model.encode("def"),
                new AcceptanceRule.Greedy(),
                model.tree(),
                new StopRules(Set.of(), SELF_TEST_TOKENS, StopRules.UNLIMITED),
                List.of());
        GenerationResult result =
                model.generate(request, GenerationListener.NONE).result().join();
        if (result.outputIds().length != SELF_TEST_TOKENS) {
            throw new IllegalStateException(
                    "the self-test generated " + result.outputIds().length + " tokens instead of " + SELF_TEST_TOKENS);
        }
    }

    void stop(@Observes ShutdownEvent event) {
        if (state instanceof State.Ready(TextModel model)) {
            model.close();
        }
    }
}
