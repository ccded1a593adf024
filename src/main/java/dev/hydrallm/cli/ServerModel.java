package dev.hydrallm.cli;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.serving.ModelOpener;
import dev.hydrallm.serving.ServingConfig;
import dev.hydrallm.serving.TextModel;
import jakarta.enterprise.context.ApplicationScoped;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Opens a server's model as a command would open it. */
@ApplicationScoped
final class ServerModel implements ModelOpener {
    private static final AtomicReference<@Nullable Early> EARLY = new AtomicReference<>();

    /** A model that began to load before Quarkus knew of it, and all that decides which one it is and how it runs. */
    private record Early(List<@Nullable Object> settings, CompletableFuture<TextModel> model) {}

    /** Begins to load: Quarkus starts meanwhile, and takes what it finds when it asks for the same. */
    static void loadEarly(ModelOptions options, int slots, int queue) {
        CompletableFuture<TextModel> model = new CompletableFuture<>();
        EARLY.set(new Early(settings(options, slots, queue), model));
        Thread.ofPlatform().name("hydra-load-early").daemon(true).start(() -> {
            try {
                model.complete(Models.load(options, slots, queue));
            } catch (Throwable e) {
                model.completeExceptionally(e);
            }
        });
    }

    private static List<@Nullable Object> settings(ModelOptions options, int slots, int queue) {
        return Arrays.asList(
                slots,
                queue,
                options.model,
                options.baseModel,
                options.bits.eight,
                options.bits.four,
                options.tree,
                options.speculation,
                options.context,
                options.threads,
                options.engine,
                options.on.device,
                options.on.precision,
                options.load.options(),
                options.noSpeculation);
    }

    @Override
    public TextModel open(ServingConfig config) {
        ModelOptions options = options(config);
        Early early = EARLY.getAndSet(null);
        if (early == null) {
            return Models.load(options, config.slots(), config.queue());
        }
        if (!early.settings.equals(settings(options, config.slots(), config.queue()))) {
            // Configured elsewhere than on the command line or by HYDRA_ variables.
            var _ = early.model.thenAccept(TextModel::close);
            return Models.load(options, config.slots(), config.queue());
        }
        try {
            return early.model.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    private static ModelOptions options(ServingConfig config) {
        ModelOptions options = new ModelOptions();
        options.model = config.model().map(Path::of).orElse(null);
        options.baseModel = config.baseModel().map(Path::of).orElse(null);
        options.bits.eight = config.loadIn8bit();
        options.bits.four = config.loadIn4bit();
        options.tree = config.tree().orElse(null);
        options.speculation = config.speculation().orElse(null);
        options.context = config.context();
        options.threads = config.threads();
        options.engine = engine(config.engine());
        options.on.device = Device.named(config.device());
        options.on.precision = DeviceOptions.precision(config.precision());
        options.load.threads = config.load().threads();
        options.load.readSize = config.load().readSize();
        options.load.directIo = config.load().directIo();
        options.noSpeculation = config.noSpeculation();
        return options;
    }

    private static EngineOptions.Kind engine(String name) {
        try {
            return EngineOptions.Kind.valueOf(name.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("hydra.engine is " + name + ", not auto, kernels or torch", e);
        }
    }
}
