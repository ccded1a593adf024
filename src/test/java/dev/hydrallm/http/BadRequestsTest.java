package dev.hydrallm.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.URI;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Bad requests: each an error in the API's words that names the field, and the server goes on. */
@QuarkusTest
class BadRequestsTest {
    private static final String COMPLETIONS = "/v1/completions";
    private static final String CHAT = "/v1/chat/completions";
    private static final String GOOD = "{\"prompt\":\"x\",\"max_tokens\":2,\"temperature\":0}";

    @TestHTTPResource("/")
    URI base;

    private Api api;

    @BeforeEach
    void open() {
        api = new Api(base);
        api.awaitReady();
    }

    /** Every test here ends with a request that is served. */
    @AfterEach
    void theNextRequestIsServed() {
        assertThat(api.post(COMPLETIONS, GOOD).status()).isEqualTo(200);
        api.close();
    }

    /** A wrong value and the field that is to blame. */
    record Wrong(String path, String field, String body) {
        @Override
        public String toString() {
            return field + ": " + (body.length() > 120 ? body.substring(0, 120) + "…" : body);
        }
    }

    static Stream<Wrong> wrongValues() {
        List<Wrong> wrong = new ArrayList<>();
        String[][] values = {
            {"max_tokens", "0", "-1", "1025", "1.5", "\"8\"", "99999999999999999999", "1e3", "[]", "true"},
            {"temperature", "-0.1", "2.1", "1e400", "-1e400", "\"hot\"", "{}"},
            {"top_p", "-0.1", "1.1", "[1]"},
            {"top_k", "-1", "1.5", "99999999999"},
            {"min_p", "-0.1", "1", "7"},
            {"seed", "1.5", "\"a\"", "99999999999999999999"},
            {"max_steps", "0", "-5", "2147483648"},
            {"stop", "\"\"", "[\"\"]", "[1]", "[\"a\",\"b\",\"c\",\"d\",\"e\"]", "{}", "7"},
            {"stream", "1", "\"yes\""},
            {"stream_options", "{\"include_usage\":true}", "[]", "1"},
            {"acceptance", "\"lucky\"", "1"},
            {"posterior_threshold", "-1", "2"},
            {"posterior_alpha", "-1", "2"},
            {"no_speculation", "1"},
            {"speculation", "\"\"", "\"half\"", "true", "\"whole\",\"no_speculation\":true"},
            {"n", "2", "0", "-1", "100000", "1.5"},
            {"presence_penalty", "0.5", "-2"},
            {"frequency_penalty", "0.5", "\"a\""},
            {"logit_bias", "{\"5\":1}", "[]"},
            {"user", "5"},
            {"no_such_field", "1", "{}"},
        };
        for (String[] field : values) {
            for (int i = 1; i < field.length; i++) {
                String given = "\"" + field[0] + "\":" + field[i] + "}";
                wrong.add(new Wrong(COMPLETIONS, field[0], "{\"prompt\":\"x\"," + given));
                wrong.add(new Wrong(CHAT, field[0], "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," + given));
            }
        }
        for (String prompt : List.of(
                "5",
                "{}",
                "[]",
                "[[]]",
                "[1,\"a\"]",
                "[-1]",
                "[4096]",
                "[1.5]",
                "[99999999999]",
                "[\"a\",5]",
                "[[1],[2,{}]]",
                "\"\\ud800\"",
                "[" + "\"a\",".repeat(32) + "\"a\"]")) {
            wrong.add(new Wrong(COMPLETIONS, "prompt", "{\"prompt\":" + prompt + "}"));
        }
        wrong.add(new Wrong(COMPLETIONS, "prompt", "{}"));
        wrong.add(new Wrong(COMPLETIONS, "prompt", "{\"prompt\":null}"));
        for (String field : List.of("\"logprobs\":1", "\"best_of\":2", "\"echo\":true", "\"suffix\":\"y\"")) {
            wrong.add(new Wrong(
                    COMPLETIONS, field.substring(1, field.indexOf('"', 1)), "{\"prompt\":\"x\"," + field + "}"));
        }
        for (String field : List.of(
                "\"tools\":[{\"type\":\"function\"}]",
                "\"tool_choice\":\"auto\"",
                "\"functions\":[{}]",
                "\"logprobs\":true",
                "\"top_logprobs\":3",
                "\"response_format\":{\"type\":\"json_object\"}",
                "\"max_completion_tokens\":0")) {
            wrong.add(new Wrong(
                    CHAT,
                    field.substring(1, field.indexOf('"', 1)),
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," + field + "}"));
        }
        for (String messages : List.of(
                "5",
                "[]",
                "{}",
                "[5]",
                "[{}]",
                "[{\"role\":\"user\"}]",
                "[{\"content\":\"x\"}]",
                "[{\"role\":\"robot\",\"content\":\"x\"}]",
                "[{\"role\":\"user\",\"content\":7}]",
                "[{\"role\":\"user\",\"content\":\"x\",\"name\":\"me\"}]",
                "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]",
                "[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]",
                "[{\"role\":\"tool\",\"content\":\"x\"}]")) {
            wrong.add(new Wrong(CHAT, "messages", "{\"messages\":" + messages + "}"));
        }
        return wrong.stream();
    }

    @ParameterizedTest
    @MethodSource("wrongValues")
    void aWrongValueIsRefusedByItsField(Wrong wrong) {
        Api.Answer answer = api.post(wrong.path(), wrong.body());
        assertThat(answer.status()).isEqualTo(400);
        assertBody(answer, "invalid_request_error");
        assertThat(answer.error().path("param").asText()).startsWith(wrong.field());
        assertThat(answer.header("x-should-retry")).isEqualTo("false");
    }

    private static void assertBody(Api.Answer answer, String type) {
        assertThat(answer.header("content-type")).startsWith("application/json");
        JsonNode error = answer.error();
        assertThat(error.fieldNames()).toIterable().contains("message", "type", "param", "code");
        assertThat(error.path("type").asText()).isEqualTo(type);
        assertThat(error.path("message").asText()).isNotBlank().doesNotContain("\n", "Exception");
    }

    @Test
    void aPromptLongerThanTheContextSaysByHowMuch() {
        Api.Answer answer = api.post(COMPLETIONS, "{\"prompt\":\"" + "x = 1; ".repeat(1_000) + "\",\"max_tokens\":5}");
        assertThat(answer.status()).isEqualTo(400);
        assertBody(answer, "invalid_request_error");
        assertThat(answer.error().path("code").asText()).isEqualTo("context_length_exceeded");
        assertThat(answer.error().path("n_ctx").asInt()).isEqualTo(1_024);
        assertThat(answer.error().path("n_prompt_tokens").asInt()).isGreaterThan(1_024);
    }

    @Test
    void differingLimitsOfTokensAreRefused() {
        String messages = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"temperature\":0,";
        assertThat(api.post(CHAT, messages + "\"max_tokens\":3,\"max_completion_tokens\":4}")
                        .status())
                .isEqualTo(400);
        assertThat(api.post(CHAT, messages + "\"max_tokens\":3,\"max_completion_tokens\":3}")
                        .status())
                .isEqualTo(200);
    }

    @Test
    void whatAsksForNothingIsAccepted() {
        String neutral = ",\"n\":1,\"stop\":null,\"logit_bias\":{},\"presence_penalty\":0,\"frequency_penalty\":0.0,"
                + "\"user\":\"me\",\"stream\":false,\"max_tokens\":2,\"temperature\":0}";
        assertThat(api.post(COMPLETIONS, "{\"prompt\":\"x\",\"best_of\":1,\"echo\":false,\"suffix\":null" + neutral)
                        .status())
                .isEqualTo(200);
        assertThat(api.post(
                                CHAT,
                                "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[],\"tool_choice\":"
                                        + "\"none\",\"logprobs\":false,\"response_format\":{\"type\":\"text\"}"
                                        + neutral)
                        .status())
                .isEqualTo(200);
    }

    @Test
    void anotherModelIsNotFound() {
        Api.Answer answer = api.post(COMPLETIONS, "{\"model\":\"gpt-5\",\"prompt\":\"x\"}");
        assertThat(answer.status()).isEqualTo(404);
        assertBody(answer, "invalid_request_error");
        assertThat(answer.error().path("code").asText()).isEqualTo("model_not_found");
    }

    @ParameterizedTest
    @CsvSource({
        "GET, /v1/completions, application/json, 405",
        "DELETE, /v1/models, application/json, 405",
        "POST, /v1/nothing, application/json, 404",
        "GET, /nothing/at/all, application/json, 404",
        "POST, /v1/completions, text/plain, 415",
        "POST, /v1/chat/completions, application/x-www-form-urlencoded, 415",
        "POST, /tokenize, application/xml, 415",
    })
    void whatIsNoRequestOfTheApiHasAnErrorBodyToo(String method, String path, String type, int status) {
        Api.Answer answer =
                api.send(api.request(path).header("Content-Type", type).method(method, BodyPublishers.ofString(GOOD)));
        assertThat(answer.status()).isEqualTo(status);
        assertBody(answer, "invalid_request_error");
    }

    @Test
    void aBodyThatIsTooLongIsRefusedBeforeItIsRead() {
        Api.Answer answer = api.post(COMPLETIONS, "{\"prompt\":\"" + "x".repeat(2 << 20) + "\"}");
        assertThat(answer.status()).isEqualTo(413);
        assertBody(answer, "invalid_request_error");
        // Without a length it is read first.
        byte[] body = ("{\"prompt\":\"" + "x".repeat(2 << 20) + "\"}").getBytes(StandardCharsets.UTF_8);
        Api.Answer chunked = api.send(api.request(COMPLETIONS)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.fromPublisher(BodyPublishers.ofByteArray(body))));
        assertThat(chunked.status()).isEqualTo(413);
        assertBody(chunked, "invalid_request_error");
    }

    @Test
    void aThousandMalformedBodiesDoNoHarm() {
        Random random = new Random(7);
        byte[] good = GOOD.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < 1_000; i++) {
            byte[] body = switch (i % 5) {
                case 0 -> java.util.Arrays.copyOf(good, random.nextInt(good.length));
                case 1 -> {
                    byte[] noise = new byte[random.nextInt(200)];
                    random.nextBytes(noise);
                    yield noise;
                }
                case 2 -> "[".repeat(1 + random.nextInt(5_000)).getBytes(StandardCharsets.UTF_8);
                case 3 -> ("{\"prompt\":\"" + (char) random.nextInt(32) + "\"}").getBytes(StandardCharsets.UTF_8);
                default -> {
                    // An illegal byte of UTF-8 inside the prompt.
                    byte[] broken = good.clone();
                    broken[11] = (byte) (0xF8 | random.nextInt(8));
                    yield broken;
                }
            };
            Api.Answer answer = api.post(COMPLETIONS, body);
            assertThat(answer.status()).as("body %d", i).isEqualTo(400);
            assertBody(answer, "invalid_request_error");
        }
    }
}
