package dev.hydrallm.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Good requests to the real server with the demo model. */
@QuarkusTest
class CompletionsTest {
    private static final String COMPLETIONS = "/v1/completions";
    private static final String CHAT = "/v1/chat/completions";

    @TestHTTPResource("/")
    URI base;

    private Api api;

    @BeforeEach
    void open() {
        api = new Api(base);
        api.awaitReady();
    }

    @AfterEach
    void close() {
        api.close();
    }

    @Test
    void aCompletionHasTheDefaultsAndFieldsOfTheApi() {
        JsonNode json = api.post(COMPLETIONS, "{\"prompt\":\"def add(a, b):\"}").json();
        assertThat(json.path("id").asText()).startsWith("cmpl-");
        assertThat(json.path("object").asText()).isEqualTo("text_completion");
        assertThat(json.path("model").asText()).isEqualTo("pycoder-hydra");
        assertThat(json.path("created").asLong()).isPositive();
        JsonNode usage = json.path("usage");
        assertThat(usage.path("completion_tokens").asInt()).isBetween(1, 16);
        assertThat(usage.path("total_tokens").asInt())
                .isEqualTo(usage.path("prompt_tokens").asInt()
                        + usage.path("completion_tokens").asInt());
        JsonNode choice = json.path("choices").path(0);
        assertThat(choice.path("index").asInt(-1)).isZero();
        assertThat(choice.has("logprobs")).isTrue();
        assertThat(choice.path("finish_reason").asText()).isIn("length", "stop");
        // At the default temperature of 1 something was sampled.
        assertThat(json.path("seed").isIntegralNumber()).isTrue();
    }

    @Test
    void aSeedGivesTheSameTextAgainWithAndWithoutSpeculation() {
        String body =
                "{\"prompt\":\"class Queue:\\n\",\"max_tokens\":48,\"seed\":11,\"top_p\":0.95,\"temperature\":0.8";
        String first = text(api.post(COMPLETIONS, body + "}").json());
        assertThat(text(api.post(COMPLETIONS, body + "}").json())).isEqualTo(first);
        for (String drafted :
                List.of("no_speculation\":true", "speculation\":\"whole\"", "speculation\":\"adaptive\"")) {
            JsonNode again = api.post(COMPLETIONS, body + ",\"" + drafted + "}").json();
            assertThat(text(again)).as(drafted).isEqualTo(first);
        }
    }

    @Test
    void aRequestSaysHowMuchOfTheTreeIsDrafted() {
        String body = "{\"prompt\":\"def f(x):\\n\",\"max_tokens\":40,\"temperature\":0,\"speculation\":";
        int whole = steps(body + "\"whole\"}");
        assertThat(whole).isLessThan(30);
        assertThat(steps(body + "\"none\"}")).isGreaterThan(whole).isGreaterThanOrEqualTo(39);
    }

    private int steps(String body) {
        JsonNode usage = api.post(COMPLETIONS, body).json().path("usage");
        return usage.path("speculation").path("steps").asInt();
    }

    private static String text(JsonNode json) {
        return json.path("choices").path(0).path("text").asText();
    }

    @Test
    void theChunksOfAStreamJoinToTheWholeText() {
        String body = "{\"prompt\":\"import os\\n\",\"max_tokens\":40,\"temperature\":0";
        JsonNode whole = api.post(COMPLETIONS, body + "}").json();
        List<String> events =
                api.events(COMPLETIONS, body + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        assertThat(events.getLast()).isEqualTo("[DONE]");
        List<JsonNode> chunks =
                events.subList(0, events.size() - 1).stream().map(Api::parse).toList();
        StringBuilder text = new StringBuilder();
        chunks.forEach(chunk -> text.append(text(chunk)));
        assertThat(text).hasToString(text(whole));
        assertThat(chunks)
                .extracting(chunk -> chunk.path("id"))
                .containsOnly(chunks.getFirst().path("id"));
        JsonNode usage = chunks.getLast();
        assertThat(usage.path("choices").isEmpty()).isTrue();
        JsonNode speculation = usage.path("usage").path("speculation");
        assertThat(usage.path("usage").path("completion_tokens").asInt()).isEqualTo(40);
        assertThat(speculation.path("steps").asInt()).isLessThan(40);
        assertThat(speculation.path("mean_acceptance_length").asDouble()).isGreaterThan(1);
        int steps = 0;
        for (JsonNode count : speculation.path("acceptance_histogram")) {
            steps += count.asInt();
        }
        assertThat(steps).isEqualTo(speculation.path("steps").asInt());
        JsonNode last = chunks.get(chunks.size() - 2).path("choices").path(0);
        assertThat(last.path("finish_reason").asText()).isEqualTo("length");
        List<String> origins = new ArrayList<>();
        chunks.forEach(chunk ->
                origins.add(chunk.path("choices").path(0).path("origin").asText()));
        assertThat(origins).contains("base", "draft");
    }

    @Test
    void aChatStreamBeginsWithTheRoleAndEndsWithTheReason() {
        String body = "{\"messages\":[{\"role\":\"system\",\"content\":\"# Python\"},{\"role\":\"user\",\"content\":"
                + "[{\"type\":\"text\",\"text\":\"def area(r):\"}]}],\"max_completion_tokens\":12,\"temperature\":0";
        JsonNode whole = api.post(CHAT, body + "}").json();
        assertThat(whole.path("object").asText()).isEqualTo("chat.completion");
        JsonNode message = whole.path("choices").path(0).path("message");
        assertThat(message.path("role").asText()).isEqualTo("assistant");
        List<String> events = api.events(CHAT, body + ",\"stream\":true}");
        assertThat(events.getLast()).isEqualTo("[DONE]");
        List<JsonNode> choices = events.subList(0, events.size() - 1).stream()
                .map(Api::parse)
                .peek(chunk -> assertThat(chunk.path("object").asText()).isEqualTo("chat.completion.chunk"))
                .map(chunk -> chunk.path("choices").path(0))
                .toList();
        assertThat(choices.getFirst().path("delta").toString()).isEqualTo("{\"role\":\"assistant\",\"content\":\"\"}");
        assertThat(choices.getLast().path("delta").toString()).isEqualTo("{}");
        assertThat(choices.getLast().path("finish_reason").asText()).isEqualTo("length");
        StringBuilder text = new StringBuilder();
        choices.forEach(
                choice -> text.append(choice.path("delta").path("content").asText()));
        assertThat(text).hasToString(message.path("content").asText());
    }

    @Test
    void severalPromptsGiveAsManyChoicesInOrder() {
        JsonNode ids = api.post("/tokenize", "{\"text\":\"import os\"}").json().path("tokens");
        JsonNode several = api.post(
                        COMPLETIONS, "{\"prompt\":[" + ids + ",[1,5,9]],\"max_tokens\":8,\"temperature\":0}")
                .json();
        assertThat(several.path("choices")).hasSize(2);
        JsonNode alone = api.post(COMPLETIONS, "{\"prompt\":\"import os\",\"max_tokens\":8,\"temperature\":0}")
                .json();
        assertThat(text(several)).isEqualTo(text(alone));
        assertThat(several.path("choices").path(1).path("index").asInt()).isEqualTo(1);
        assertThat(several.path("usage").path("completion_tokens").asInt()).isEqualTo(16);
        List<String> events = api.events(
                COMPLETIONS, "{\"prompt\":[\"import os\",\"def\"],\"max_tokens\":5,\"temperature\":0,\"stream\":true}");
        assertThat(events).filteredOn(event -> event.contains("\"length\"")).hasSize(2);
    }

    @Test
    void aStopStringEndsTheTextBeforeIt() {
        String body = "{\"prompt\":\"import os\\n\",\"max_tokens\":60,\"temperature\":0";
        String whole = text(api.post(COMPLETIONS, body + "}").json());
        String stop = whole.substring(whole.length() / 2, whole.length() / 2 + 3);
        JsonNode json =
                api.post(COMPLETIONS, body + ",\"stop\":" + quoted(stop) + "}").json();
        assertThat(text(json)).isEqualTo(whole.substring(0, whole.indexOf(stop)));
        assertThat(json.path("choices").path(0).path("finish_reason").asText()).isEqualTo("stop");
    }

    private static String quoted(String text) {
        return com.fasterxml.jackson.databind.node.TextNode.valueOf(text).toString();
    }

    @Test
    void aTemperatureNextToZeroIsGreedy() {
        String body = "{\"prompt\":\"import os\\n\",\"max_tokens\":12,\"temperature\":";
        String greedy = text(api.post(COMPLETIONS, body + "0}").json());
        assertThat(text(api.post(COMPLETIONS, body + "1e-40}").json())).isEqualTo(greedy);
        assertThat(text(api.post(COMPLETIONS, body + "1e-40,\"acceptance\":\"typical\"}")
                        .json()))
                .isEqualTo(greedy);
        assertThat(text(api.post(COMPLETIONS, body + "1e-4,\"seed\":1}").json()))
                .isEqualTo(greedy);
    }

    @Test
    void tokensComeBackAsTheirText() {
        String text = "def f(x):\n    return \"é😀\" + x\n";
        JsonNode tokens =
                api.post("/tokenize", "{\"text\":" + quoted(text) + "}").json();
        assertThat(tokens.path("count").asInt()).isEqualTo(tokens.path("tokens").size());
        JsonNode back = api.post("/detokenize", "{\"tokens\":" + tokens.path("tokens") + "}")
                .json();
        assertThat(back.path("text").asText()).isEqualTo(text);
    }

    @Test
    void theModelsAreListedAndFoundByName() {
        JsonNode model = api.get("/v1/models").json().path("data").path(0);
        assertThat(model.path("id").asText()).isEqualTo("pycoder-hydra");
        assertThat(api.get("/v1/models/pycoder-hydra").json()).isEqualTo(model);
        Api.Answer none = api.get("/v1/models/gpt/5");
        assertThat(none.status()).isEqualTo(404);
        assertThat(none.error().path("code").asText()).isEqualTo("model_not_found");
    }

    @Test
    void healthMetricsAndTheApiDescriptionAreThere() {
        for (String probe : List.of("live", "started", "ready")) {
            assertThat(api.get("/q/health/" + probe).status()).isEqualTo(200);
        }
        double before = api.metric("hydra_generation_tokens_total");
        api.post(COMPLETIONS, "{\"prompt\":\"x = \",\"max_tokens\":10,\"temperature\":0}");
        assertThat(api.metric("hydra_generation_tokens_total") - before).isEqualTo(10);
        for (String name : List.of(
                "hydra_spec_decode_num_drafts_total",
                "hydra_spec_decode_num_draft_tokens_total",
                "hydra_spec_decode_num_accepted_tokens_total",
                "hydra_spec_decode_num_accepted_tokens_per_pos_total",
                "hydra_time_to_first_token_seconds_count",
                "hydra_start_seconds")) {
            assertThat(api.metric(name)).as(name).isPositive();
        }
        assertThat(api.text(api.request("/q/openapi").GET()).body())
                .contains("/v1/chat/completions", "no_speculation", "Retry-After");
    }
}
