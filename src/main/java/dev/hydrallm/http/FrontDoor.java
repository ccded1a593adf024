package dev.hydrallm.http;

import io.quarkus.vertx.http.HttpServerStart;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.ObservesAsync;
import java.io.IOException;
import java.io.InputStream;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Answers on the server's port while Quarkus is still starting: a probe or a client that comes early is told to come
 * again instead of being refused. Both listen on the port for a moment, then Quarkus alone.
 *
 * <p>Thread-safe.
 */
public final class FrontDoor implements AutoCloseable {
    private static final AtomicReference<@Nullable FrontDoor> OPEN = new AtomicReference<>();
    private static final int BACKLOG = 128;
    private static final int PATIENCE_MILLIS = 2_000;
    private static final int LONGEST_HEAD = 1 << 16;
    private static final int LONGEST_BODY = 4 << 20;

    private static final String STARTING = """
            {"error":{"message":"the server is starting; try again in a moment","type":"unavailable_error","param":null,\
            "code":"model_unavailable"}}""";
    private static final String LIVE = """
            {"status":"UP","checks":[{"name":"decoding","status":"UP"}]}""";
    private static final String NOT_READY = """
            {"status":"DOWN","checks":[{"name":"model","status":"DOWN"}]}""";

    private final ServerSocket socket;

    private FrontDoor(ServerSocket socket) {
        this.socket = socket;
    }

    /**
     * Opens the port for this process until Quarkus listens on it.
     *
     * @throws BindException if something else listens there
     * @throws IOException if the address is none of this machine's
     */
    public static FrontDoor open(String host, int port) throws IOException {
        InetSocketAddress address = new InetSocketAddress(InetAddress.getByName(host), port);
        // Sharing a port is what lets Quarkus take over; it must not hide that another server is there.
        try (ServerSocket probe = new ServerSocket()) {
            probe.setReuseAddress(true);
            probe.bind(address);
        }
        ServerSocket socket = new ServerSocket();
        socket.setOption(StandardSocketOptions.SO_REUSEPORT, true);
        socket.setReuseAddress(true);
        socket.bind(address, BACKLOG);
        FrontDoor door = new FrontDoor(socket);
        OPEN.set(door);
        Thread.ofPlatform().name("hydra-front-door").daemon(true).start(door::answer);
        return door;
    }

    private void answer() {
        while (true) {
            try {
                Socket client = socket.accept();
                Thread.ofVirtual().start(() -> answer(client));
            } catch (IOException e) {
                return; // closed: Quarkus listens now
            }
        }
    }

    private static void answer(Socket client) {
        try (client) {
            client.setSoTimeout(PATIENCE_MILLIS);
            client.getOutputStream().write(response(path(client.getInputStream())));
            client.shutdownOutput();
            // A client that still sends would take a reset for a lost answer.
            client.getInputStream().skipNBytes(LONGEST_BODY);
        } catch (IOException e) {
            // It went away, or never said what it wanted.
        }
    }

    /** The path of the request's first line; the rest of its head is read and ignored. */
    private static String path(InputStream in) throws IOException {
        StringBuilder head = new StringBuilder();
        while (head.length() < LONGEST_HEAD && head.indexOf("\r\n\r\n") < 0) {
            byte[] some = new byte[4096];
            int length = in.read(some);
            if (length < 0) {
                break;
            }
            head.append(new String(some, 0, length, StandardCharsets.ISO_8859_1));
        }
        String[] words = head.toString().split("[ \r]", 3);
        return words.length > 1 ? words[1].replaceFirst("\\?.*", "") : "";
    }

    private static byte[] response(String path) {
        String answer = switch (path) {
            case "/q/health/live" -> "HTTP/1.1 200 OK\r\n" + body(LIVE);
            case "/q/health", "/q/health/ready", "/q/health/started" ->
                "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n" + body(NOT_READY);
            default -> "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n" + body(STARTING);
        };
        return answer.getBytes(StandardCharsets.UTF_8);
    }

    private static String body(String json) {
        return "Content-Type: application/json\r\nConnection: close\r\nContent-Length: "
                + json.getBytes(StandardCharsets.UTF_8).length + "\r\n\r\n" + json;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    /** Closes the door once Quarkus listens. */
    @ApplicationScoped
    static class Successor {
        void listens(@ObservesAsync HttpServerStart event) throws IOException {
            FrontDoor door = OPEN.getAndSet(null);
            if (door != null) {
                door.close();
            }
        }
    }
}
