package dev.hydrallm.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FrontDoorTest {
    private final HttpClient client = HttpClient.newHttpClient();
    private int port;
    private FrontDoor door;

    @BeforeEach
    void open() throws IOException {
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        door = FrontDoor.open("127.0.0.1", port);
    }

    @AfterEach
    void close() throws IOException {
        door.close();
        client.close();
    }

    private HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    private HttpRequest.Builder at(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    }

    @Test
    void whoeverComesEarlyIsToldToComeAgain() throws Exception {
        for (HttpRequest.Builder request : new HttpRequest.Builder[] {
            at("/"),
            at("/v1/models"),
            at("/v1/completions")
                    .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"" + "x".repeat(300_000) + "\"}"))
        }) {
            HttpResponse<String> answer = send(request);
            assertThat(answer.statusCode()).isEqualTo(503);
            assertThat(answer.headers().firstValue("Retry-After")).contains("1");
            assertThat(JsonMapper.builder()
                            .build()
                            .readTree(answer.body())
                            .at("/error/type")
                            .asText())
                    .isEqualTo("unavailable_error");
        }
    }

    @Test
    void itIsAliveAndNotReady() throws Exception {
        assertThat(send(at("/q/health/live")).statusCode()).isEqualTo(200);
        assertThat(send(at("/q/health/started")).statusCode()).isEqualTo(503);
        assertThat(send(at("/q/health/ready?verbose")).statusCode()).isEqualTo(503);
    }

    @Test
    void noiseKeepsNobodyElseOut() throws Exception {
        try (Socket silent = new Socket(InetAddress.getLoopbackAddress(), port);
                Socket noise = new Socket(InetAddress.getLoopbackAddress(), port)) {
            noise.getOutputStream().write("\u0016\u0003\u0001\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1));
            assertThat(silent.isConnected()).isTrue();
            assertThat(send(at("/q/health/live")).statusCode()).isEqualTo(200);
        }
    }

    @Test
    void aPortThatIsTakenIsRefused() {
        assertThatThrownBy(() -> FrontDoor.open("127.0.0.1", port)).isInstanceOf(BindException.class);
    }
}
