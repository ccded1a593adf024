package dev.hydrallm.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.URI;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The official client library understands the server, and the server the client. */
@QuarkusTest
class OpenAiClientTest {
    private static final String MODEL = "pycoder-hydra";

    @TestHTTPResource("/v1")
    URI base;

    @TestHTTPResource("/")
    URI root;

    private OpenAIClient client;

    @BeforeEach
    void open() {
        try (Api api = new Api(root)) {
            api.awaitReady();
        }
        client = OpenAIOkHttpClient.builder()
                .baseUrl(base.toString())
                .apiKey("none needed")
                .build();
    }

    @AfterEach
    void close() {
        client.close();
    }

    private static ChatCompletionCreateParams.Builder chat() {
        return ChatCompletionCreateParams.builder()
                .model(MODEL)
                .addUserMessage("def mean(values):")
                .temperature(0)
                .maxCompletionTokens(20);
    }

    @Test
    void aChatIsTheSameWholeAndStreamed() {
        ChatCompletion whole = client.chat().completions().create(chat().build());
        String text = whole.choices().getFirst().message().content().orElseThrow();
        assertThat(text).isNotEmpty();
        assertThat(whole.usage().orElseThrow().completionTokens()).isEqualTo(20);
        ChatCompletionCreateParams params = chat().streamOptions(
                        ChatCompletionStreamOptions.builder().includeUsage(true).build())
                .build();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat().completions().createStreaming(params)) {
            List<ChatCompletionChunk> chunks = stream.stream().toList();
            StringBuilder streamed = new StringBuilder();
            chunks.stream()
                    .flatMap(chunk -> chunk.choices().stream())
                    .forEach(choice -> choice.delta().content().ifPresent(streamed::append));
            assertThat(streamed).hasToString(text);
            assertThat(chunks.getLast().usage().orElseThrow().completionTokens())
                    .isEqualTo(20);
        }
    }

    @Test
    void aCompletionIsUnderstood() {
        Completion completion = client.completions()
                .create(CompletionCreateParams.builder()
                        .model(MODEL)
                        .prompt("import ")
                        .maxTokens(8)
                        .temperature(0)
                        .build());
        assertThat(completion.choices().getFirst().text()).isNotEmpty();
    }

    @Test
    void theModelIsListed() {
        assertThat(client.models().list().data())
                .extracting(model -> model.id())
                .containsExactly(MODEL);
        assertThat(client.models().retrieve(MODEL).id()).isEqualTo(MODEL);
    }

    @Test
    void errorsArriveAsTheClientsOwnExceptions() {
        assertThatThrownBy(() -> client.chat().completions().create(chat().n(3).build()))
                .isInstanceOf(BadRequestException.class)
                .hasMessageContaining("'n'");
        assertThatThrownBy(() -> client.chat()
                        .completions()
                        .create(chat().model("another").build()))
                .isInstanceOf(NotFoundException.class);
    }
}
