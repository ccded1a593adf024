package dev.hydrallm.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A server with one slot and a queue of two. */
@QuarkusTest
@TestProfile(BusyServerTest.ShortQueue.class)
@Timeout(120)
class BusyServerTest {
    private static final String LONG_ANSWER =
            "{\"prompt\":\"x = [\",\"max_tokens\":1000,\"temperature\":1.5,\"seed\":3,\"stream\":true}";

    /** The configuration. */
    public static final class ShortQueue implements QuarkusTestProfile {
        @Override
        public Map<String, String> getConfigOverrides() {
            return Map.of("hydra.queue", "2");
        }
    }

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

    /** A connection that has sent a request and can be cut. */
    private Socket ask(String path, String body) throws IOException {
        Socket socket = new Socket(base.getHost(), base.getPort());
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        String head = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + "Content-Length: " + bytes.length + "\r\n\r\n";
        socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().write(bytes);
        socket.getOutputStream().flush();
        return socket;
    }

    private void await(String gauge, double value) {
        api.await(() -> api.metric(gauge) == value);
    }

    @Test
    void twoHundredAbortedStreamsLeaveNoWorkBehind() throws IOException {
        double cancelled = api.metric("hydra_requests_total{outcome=\"cancelled\"}");
        double generated = api.metric("hydra_generation_tokens_total");
        for (int i = 0; i < 200; i++) {
            try (Socket socket = ask("/v1/completions", LONG_ANSWER)) {
                // The first byte shows that it runs.
                assertThat(socket.getInputStream().read()).isEqualTo('H');
            }
        }
        await("hydra_requests_running", 0);
        await("hydra_requests_waiting", 0);
        // None of them went on to its end of 1,000 tokens.
        assertThat(api.metric("hydra_generation_tokens_total") - generated).isLessThan(200 * 500);
        assertThat(api.metric("hydra_requests_total{outcome=\"cancelled\"}") - cancelled)
                .isGreaterThan(150);
        assertThat(api.post("/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":2}")
                        .status())
                .isEqualTo(200);
    }

    @Test
    void aClosedConnectionEndsAnAnswerThatIsNotStreamedToo() throws IOException {
        double cancelled = api.metric("hydra_requests_total{outcome=\"cancelled\"}");
        Socket socket = ask("/v1/completions", LONG_ANSWER.replace("true", "false"));
        await("hydra_requests_running", 1);
        socket.close();
        await("hydra_requests_running", 0);
        assertThat(api.metric("hydra_requests_total{outcome=\"cancelled\"}") - cancelled)
                .isEqualTo(1);
    }

    @Test
    void aConnectionClosedBeforeAnybodyListensEndsItsAnswerToo() throws IOException {
        double generated = api.metric("hydra_generation_tokens_total");
        for (int i = 0; i < 24; i++) {
            Socket socket = ask("/v1/completions", i % 2 == 0 ? LONG_ANSWER : LONG_ANSWER.replace("true", "false"));
            LockSupport.parkNanos(i * 400_000L);
            socket.close();
            await("hydra_requests_running", 0);
        }
        await("hydra_requests_waiting", 0);
        assertThat(api.metric("hydra_generation_tokens_total") - generated).isLessThan(24 * 200);
    }

    @Test
    void aFullQueueAnswersAtOnceWhenToComeBack() throws IOException {
        List<Socket> sockets = new ArrayList<>();
        try {
            sockets.add(ask("/v1/completions", LONG_ANSWER));
            await("hydra_requests_running", 1);
            sockets.add(ask("/v1/completions", LONG_ANSWER));
            sockets.add(ask("/v1/completions", LONG_ANSWER));
            await("hydra_requests_waiting", 2);
            Api.Answer refused = api.post("/v1/completions", "{\"prompt\":\"x\"}");
            assertThat(refused.status()).isEqualTo(429);
            assertThat(refused.error().path("type").asText()).isEqualTo("rate_limit_error");
            assertThat(Integer.parseInt(refused.header("retry-after"))).isBetween(1, 60);
            assertThat(refused.headers()).doesNotContainKey("x-should-retry");
            // Of several prompts all are queued or none.
            assertThat(api.post("/v1/completions", "{\"prompt\":[\"x\",\"y\"]}").status())
                    .isEqualTo(429);
        } finally {
            for (Socket socket : sockets) {
                socket.close();
            }
        }
        await("hydra_requests_running", 0);
        await("hydra_requests_waiting", 0);
    }
}
