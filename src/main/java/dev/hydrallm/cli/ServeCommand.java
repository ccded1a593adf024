package dev.hydrallm.cli;

import dev.hydrallm.http.FrontDoor;
import dev.hydrallm.serving.ServingConfig;
import dev.hydrallm.serving.StartPhases;
import io.quarkus.runtime.Quarkus;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Locale;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "serve",
        sortOptions = false,
        description = "Serves a model over HTTP: the OpenAI API, health, metrics and a page to try it.",
        footer = {
            "",
            "Example:  hydra serve --port 8080",
            "          curl localhost:8080/v1/completions -H 'Content-Type: application/json' \\",
            "               -d '{\"prompt\": \"def fibonacci(n):\", \"max_tokens\": 64, \"temperature\": 0}'"
        })
final class ServeCommand implements Callable<Integer> {
    @Option(
            names = "--host",
            paramLabel = "ADDRESS",
            description = "Address to listen on. Default: 127.0.0.1; an image" + " listens on all.")
    @Nullable
    String host;

    @Option(names = "--port", paramLabel = "PORT", description = "Port to listen on. Default: 8080.")
    @Nullable
    Integer port;

    @Option(names = "--slots", paramLabel = "N", description = "Requests that run at once. Default: 1.")
    @Nullable
    Integer slots;

    @Option(names = "--queue", paramLabel = "N", description = "Requests that may wait. Default: 64.")
    @Nullable
    Integer queue;

    @Option(
            names = "--api-key",
            paramLabel = "KEY",
            description = "Bearer token that every route but health asks for. Better given as HYDRA_API_KEY.")
    @Nullable
    String apiKey;

    @Mixin
    ModelOptions model = new ModelOptions();

    @Override
    public Integer call() {
        model.bits.quantization(); // refuses what contradicts itself before anything starts
        model.load.options();
        if (apiKey != null) {
            if (apiKey.isEmpty()) {
                throw new IllegalArgumentException("--api-key is empty; leave it out to serve everybody");
            }
            System.setProperty("hydra.api-key", apiKey);
        }
        // Quarkus reads its configuration, ours with it, from system properties.
        set("quarkus.http.host", host);
        set("quarkus.http.port", port);
        set("hydra.slots", slots);
        set("hydra.queue", queue);
        set("hydra.model", model.model);
        set("hydra.base-model", model.baseModel);
        set("hydra.tree", model.tree);
        set("hydra.speculation", model.speculation);
        set("hydra.load-in-8bit", model.bits.eight);
        set("hydra.load-in-4bit", model.bits.four);
        set("hydra.no-speculation", model.noSpeculation);
        set("hydra.context", model.context);
        set("hydra.threads", model.threads);
        set("hydra.engine", model.engine);
        set("hydra.device", model.on.device);
        set("hydra.precision", model.on.precision);
        set("hydra.load.threads", model.load.threads);
        set("hydra.load.read-size", model.load.readSize);
        set("hydra.load.direct-io", model.load.directIo);
        openFrontDoor();
        // The model takes as long as Quarkus does, on another processor.
        ServerModel.loadEarly(
                model,
                Objects.requireNonNullElse(slots, ServingConfig.DEFAULT_SLOTS),
                Objects.requireNonNullElse(queue, ServingConfig.DEFAULT_QUEUE));
        AtomicInteger exit = new AtomicInteger();
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        Quarkus.run(null, (code, error) -> {
            exit.set(code);
            failure.set(error);
        });
        Throwable error = failure.get();
        if (error != null) {
            throw new IllegalStateException("the server cannot start: " + Cli.oneLine(rootCause(error)), error);
        }
        return exit.get();
    }

    /** So that whoever comes before Quarkus listens is told to come again. */
    private static void openFrontDoor() {
        String address = setting("quarkus.http.host");
        String number = setting("quarkus.http.port");
        int port = Integer.parseInt(number);
        if (port == 0) {
            return; // nobody knows yet where to knock
        }
        try {
            FrontDoor.open(address, port);
            StartPhases.ofProcess().reached("door");
        } catch (IOException e) {
            throw new IllegalStateException(
                    "the server cannot listen on " + address + ":" + number + " (" + e.getMessage()
                            + "); choose another with --host and --port",
                    e);
        }
    }

    /** A setting of Quarkus, read as Quarkus does but without starting it. */
    private static String setting(String key) {
        String property = System.getProperty(key);
        String variable = System.getenv(key.toUpperCase(Locale.ROOT).replace('.', '_'));
        if (property != null || variable != null) {
            return Objects.requireNonNullElse(property, String.valueOf(variable));
        }
        try (InputStream in = ServeCommand.class.getResourceAsStream("/application.properties")) {
            Properties defaults = new Properties();
            defaults.load(Objects.requireNonNull(in, "application.properties is missing from this build"));
            return defaults.getProperty(key);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What Quarkus wraps in words of its own. */
    private static Throwable rootCause(Throwable error) {
        return error.getCause() == null ? error : rootCause(error.getCause());
    }

    private static void set(String key, @Nullable Object value) {
        if (value != null) {
            String text = value.toString();
            // The configuration would expand ${…}; it unescapes only where there is a dollar.
            System.setProperty(
                    key, text.contains("$") ? text.replace("\\", "\\\\").replace("$", "\\$") : text);
        }
    }
}
