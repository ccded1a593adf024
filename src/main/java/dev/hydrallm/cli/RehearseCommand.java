package dev.hydrallm.cli;

import dev.hydrallm.evaluation.LocalServer;
import io.quarkus.runtime.Quarkus;
import java.io.IOException;
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
        LocalServer visited = LocalServer.atFreePort();
        server.port = visited.port();
        Thread.ofVirtual().start(() -> visit(visited));
        return server.call();
    }

    private static void visit(LocalServer server) {
        try {
            while (server.get("/q/health/ready").status() != 200) {
                Thread.sleep(20);
            }
            for (String page : List.of("/", "/v1/models", "/q/metrics")) {
                server.get(page);
            }
            server.post("/v1/completions", String.format(COMPLETION, true));
            server.post("/v1/completions", String.format(COMPLETION, false));
            server.post("/v1/chat/completions", CHAT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            Quarkus.asyncExit(0);
        }
    }
}
