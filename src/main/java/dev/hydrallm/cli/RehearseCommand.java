package dev.hydrallm.cli;

import io.quarkus.runtime.Quarkus;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/**
 * What the launcher trains Java's ahead-of-time cache with: a server that answers a few requests of its own and ends.
 */
@Command(name = "rehearse", hidden = true, description = "Starts a server, asks it a few things and ends.")
final class RehearseCommand implements Callable<Integer> {
    private static final String COMPLETION =
            "{\"prompt\":\"def add(a, b):\",\"max_tokens\":32,\"temperature\":0.7,\"stream\":%s}";
    private static final String CHAT =
            "{\"messages\":[{\"role\":\"user\",\"content\":\"import os\"}],\"max_tokens\":8,\"temperature\":0}";

    @Override
    public Integer call() throws IOException {
        // Whatever the environment says: the demo model, open to everybody here.
        System.setProperty("hydra.model", Models.demo().toString());
        System.setProperty("hydra.api-key", "");
        ServeCommand server = new ServeCommand();
        int port = freePort();
        server.port = port;
        Thread.ofVirtual().start(() -> visit("http://127.0.0.1:" + port));
        return server.call();
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    private static void visit(String server) {
        try {
            while (status(server + "/q/health/ready", "") != 200) {
                Thread.sleep(20);
            }
            for (String page : List.of("/", "/v1/models", "/q/metrics")) {
                status(server + page, "");
            }
            status(server + "/v1/completions", String.format(COMPLETION, true));
            status(server + "/v1/completions", String.format(COMPLETION, false));
            status(server + "/v1/chat/completions", CHAT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            Quarkus.asyncExit(0);
        }
    }

    /** The answer's status; 0 when there is none. An empty body makes it a GET. */
    private static int status(String address, String body) {
        try {
            HttpURLConnection connection =
                    (HttpURLConnection) URI.create(address).toURL().openConnection();
            if (!body.isEmpty()) {
                connection.setDoOutput(true);
                connection.setRequestProperty("Content-Type", "application/json");
                try (OutputStream out = connection.getOutputStream()) {
                    out.write(body.getBytes(StandardCharsets.UTF_8));
                }
            }
            int status = connection.getResponseCode();
            if (status == 200) {
                try (InputStream in = connection.getInputStream()) {
                    in.transferTo(OutputStream.nullOutputStream());
                }
            }
            return status;
        } catch (IOException e) {
            return 0;
        }
    }
}
