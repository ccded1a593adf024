package dev.hydrallm.evaluation;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/**
 * A server of this machine that may not listen yet, asked with the JDK's old client: it needs fewest classes.
 *
 * @param port on the loopback address
 */
public record LocalServer(int port) {
    /** An answer; status 0 when nobody listens. */
    public record Answer(int status, String body) {}

    /** One at a port that is free now. */
    public static LocalServer atFreePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return new LocalServer(socket.getLocalPort());
        }
    }

    /** Asks for a path. */
    public Answer get(String path) {
        return ask(path, "");
    }

    /** Sends JSON to a path. */
    public Answer post(String path, String json) {
        return ask(path, json);
    }

    /** An empty body makes it a GET. */
    private Answer ask(String path, String body) {
        try {
            HttpURLConnection connection = (HttpURLConnection)
                    URI.create("http://127.0.0.1:" + port + path).toURL().openConnection();
            if (!body.isEmpty()) {
                connection.setDoOutput(true);
                connection.setRequestProperty("Content-Type", "application/json");
                try (OutputStream out = connection.getOutputStream()) {
                    out.write(body.getBytes(StandardCharsets.UTF_8));
                }
            }
            int status = connection.getResponseCode();
            InputStream in = status < 400 ? connection.getInputStream() : connection.getErrorStream();
            try (in) {
                return new Answer(status, in == null ? "" : new String(in.readAllBytes(), StandardCharsets.UTF_8));
            }
        } catch (IOException e) {
            return new Answer(0, "");
        }
    }
}
