package dev.hydrallm.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.hub.Backoff;
import dev.hydrallm.hub.BusyException;
import dev.hydrallm.hub.Patience;
import dev.hydrallm.hub.RetryAfter;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.prompt.Transcript;
import dev.hydrallm.training.data.Generator;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Answers by a server with OpenAI's API. A server that is busy or gone for a while is asked again. */
final class EndpointGenerator implements Generator, AutoCloseable {
    private static final JsonMapper JSON = new JsonMapper();
    private static final Duration LONGEST_ANSWER = Duration.ofMinutes(30);
    private static final int LONGEST_COMPLAINT = 300;

    private final HttpClient client = HttpClient.newBuilder()
            .connectTimeout(Duration.ofSeconds(30))
            .version(HttpClient.Version.HTTP_1_1)
            .build();
    private final String endpoint;
    private final Optional<String> key;
    private final SamplingOptions sampling;
    private final Patience patience;
    private final Consumer<String> notices;
    private final AcceptanceRule rule;
    private final String model;

    /**
     * A server.
     *
     * @param endpoint its URL, with or without {@code /v1} at the end
     * @param named which of its models; null takes the first it lists
     */
    EndpointGenerator(
            URI endpoint,
            Optional<String> key,
            @Nullable String named,
            SamplingOptions sampling,
            Patience patience,
            Consumer<String> notices) {
        if (!List.of("http", "https").contains(String.valueOf(endpoint.getScheme())) || endpoint.getHost() == null) {
            throw new IllegalArgumentException(
                    "--endpoint takes a URL such as http://localhost:8080/v1, not " + endpoint);
        }
        String text = endpoint.toString().replaceFirst("/+$", "");
        this.endpoint = text.endsWith("/v1") ? text : text + "/v1";
        this.key = key;
        this.sampling = sampling;
        this.rule = sampling.rule();
        this.patience = patience;
        this.notices = notices;
        this.model = named == null ? firstModel() : named;
    }

    private String firstModel() {
        JsonNode first = ask("/models", null).path("data").path(0).path("id");
        if (!first.isTextual()) {
            throw new IllegalArgumentException(endpoint + " lists no model: name one with --endpoint-model");
        }
        return first.textValue();
    }

    @Override
    public String model() {
        return model;
    }

    @Override
    public Answer answer(List<Message> messages, long number) {
        ObjectNode body = body(number);
        ArrayNode list = body.putArray("messages");
        messages.forEach(message -> list.addObject().put("role", message.role()).put("content", message.content()));
        JsonNode choice = ask("/chat/completions", body).path("choices").path(0);
        return answer(choice, choice.path("message").path("content"));
    }

    @Override
    public Answer complete(String text, int[] ids, long number) {
        JsonNode choice = ask("/completions", body(number).put("prompt", text))
                .path("choices")
                .path(0);
        return answer(choice, choice.path("text"));
    }

    private static Answer answer(JsonNode choice, JsonNode text) {
        if (!text.isTextual()) {
            throw new RefusedException("the server's answer holds no text");
        }
        boolean whole = choice.path("finish_reason").asText().equals("stop");
        return new Answer(text.textValue(), whole ? Transcript.Finish.WHOLE : Transcript.Finish.CUT, null);
    }

    private ObjectNode body(long number) {
        ObjectNode body = JSON.createObjectNode().put("model", model).put("temperature", sampling.temperature);
        if (sampling.topP != 1) {
            body.put("top_p", sampling.topP);
        }
        if (sampling.maxTokens != null) {
            body.put("max_tokens", sampling.maxTokens);
        }
        if (sampling.seed != null && rule instanceof AcceptanceRule.Sampled) {
            body.put("seed", sampling.seed + number);
        }
        if (!sampling.stop.isEmpty()) {
            body.set("stop", JSON.valueToTree(sampling.stop));
        }
        return body;
    }

    /** A body is sent, nothing is got. */
    private JsonNode ask(String path, @Nullable ObjectNode body) {
        URI uri = URI.create(endpoint + path);
        return new Backoff(uri.toString(), patience, notices).untilItWorks(() -> once(uri, body));
    }

    private JsonNode once(URI uri, @Nullable ObjectNode body) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri).timeout(LONGEST_ANSWER);
        key.ifPresent(secret -> request.header("Authorization", "Bearer " + secret));
        if (body != null) {
            request.header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)));
        }
        HttpResponse<String> response;
        try {
            response = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
        int status = response.statusCode();
        if (status == 408 || status == 429 || status >= 500) {
            throw new BusyException(
                    "the server answers " + status,
                    RetryAfter.of(response.headers().firstValue("Retry-After")));
        }
        if (status == 400 || status == 413 || status == 422) {
            throw new RefusedException("the server answers " + status + ": " + complaint(response.body()));
        }
        if (status != 200) {
            throw new IllegalStateException(uri + ": the server answers " + status + ": " + complaint(response.body())
                    + (status == 401 || status == 403 ? " (--api-key-env names the variable of a key)" : ""));
        }
        try {
            return JSON.readTree(response.body());
        } catch (JsonProcessingException e) {
            throw new IOException("the server's answer is no JSON", e);
        }
    }

    private static String complaint(String body) {
        String text = body;
        try {
            JsonNode message = JSON.readTree(body).path("error").path("message");
            text = message.isTextual() ? message.textValue() : body;
        } catch (JsonProcessingException e) {
            text = body; // as it is, then
        }
        text = text.replaceAll("[\\p{Cc}\\u2028\\u2029]+", " ");
        return text.length() > LONGEST_COMPLAINT ? text.substring(0, LONGEST_COMPLAINT) + " …" : text;
    }

    @Override
    public void close() {
        client.close();
    }
}
