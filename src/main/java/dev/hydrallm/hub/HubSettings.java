package dev.hydrallm.hub;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where models come from and go to, by the variables of huggingface_hub.
 *
 * @param endpoint the hub's address, without a slash at its end
 * @param token shown to the endpoint and to nobody else
 * @param cache the folder that holds a folder for each repository
 */
public record HubSettings(URI endpoint, Optional<String> token, Path cache, Access access) {
    private static final String DEFAULT_ENDPOINT = "https://huggingface.co";
    private static final Set<String> TRUE = Set.of("1", "on", "yes", "true");
    private static final Pattern TOKEN = Pattern.compile("[!-~]+");

    /** Whether the hub may be asked. */
    public enum Access {
        ONLINE,
        OFFLINE
    }

    /**
     * Reads {@code HF_ENDPOINT}, {@code HF_TOKEN} (else the file {@code HF_TOKEN_PATH}, else {@code token} in {@code
     * HF_HOME}), {@code HF_HOME}, {@code HF_HUB_CACHE} and {@code HF_HUB_OFFLINE}.
     *
     * @param environment a variable's value, null when it is not set
     * @param home the user's home folder
     * @throws IllegalArgumentException when a value is of no use
     */
    public static HubSettings of(Function<String, @Nullable String> environment, Path home) {
        Variables variables = new Variables(environment, home);
        Path hfHome = variables
                .path("HF_HOME")
                .orElseGet(() -> variables
                        .path("XDG_CACHE_HOME")
                        .orElse(home.resolve(".cache"))
                        .resolve("huggingface"));
        return new HubSettings(
                endpoint(variables.text("HF_ENDPOINT").orElse(DEFAULT_ENDPOINT)),
                variables
                        .text("HF_TOKEN")
                        .or(() -> tokenIn(variables.path("HF_TOKEN_PATH").orElse(hfHome.resolve("token"))))
                        .map(HubSettings::token),
                variables.path("HF_HUB_CACHE").orElse(hfHome.resolve("hub")),
                variables
                        .text("HF_HUB_OFFLINE")
                        .filter(value -> TRUE.contains(value.toLowerCase(Locale.ROOT)))
                        .map(value -> Access.OFFLINE)
                        .orElse(Access.ONLINE));
    }

    private static URI endpoint(String text) {
        try {
            URI endpoint = URI.create(text.replaceFirst("/+$", ""));
            if (endpoint.getHost() != null && Origin.isHttp(endpoint) && endpoint.getQuery() == null) {
                return endpoint;
            }
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("HF_ENDPOINT is no address of a hub: " + text, e);
        }
        throw new IllegalArgumentException("HF_ENDPOINT is no address of a hub: " + text);
    }

    private static Optional<String> tokenIn(Path file) {
        try {
            return Files.isRegularFile(file)
                    ? Optional.of(Files.readString(file).strip()).filter(token -> !token.isEmpty())
                    : Optional.empty();
        } catch (IOException e) {
            throw new IllegalArgumentException(file + ": the token cannot be read: " + e.getMessage(), e);
        }
    }

    private static String token(String text) {
        if (!TOKEN.matcher(text).matches()) {
            // Without the value, which is a secret all the same.
            throw new IllegalArgumentException("the hub's token (HF_TOKEN) holds characters that no token has");
        }
        return text;
    }

    /** Everything but the token. */
    @Override
    public String toString() {
        return endpoint + ", cache " + cache + ", " + access;
    }

    private record Variables(Function<String, @Nullable String> environment, Path home) {
        Optional<String> text(String name) {
            return Optional.ofNullable(environment.apply(name))
                    .map(String::strip)
                    .filter(value -> !value.isEmpty());
        }

        Optional<Path> path(String name) {
            return text(name).map(value -> value.startsWith("~/") ? home.resolve(value.substring(2)) : Path.of(value));
        }
    }
}
