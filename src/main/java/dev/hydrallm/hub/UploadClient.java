package dev.hydrallm.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntConsumer;

/**
 * Sends things to a hub. An {@link IOException} may pass with another try; a {@link HubException} will not. The token is shown to the
 * endpoint alone. Thread-safe.
 */
final class UploadClient implements AutoCloseable {
    private static final int TOLD = 300;
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final HubSettings settings;
    private final Duration silence;
    private final Connection connection;

    UploadClient(HubSettings settings, Duration silence) {
        this.settings = settings;
        this.silence = silence;
        this.connection = new Connection(settings);
    }

    /** An answer in full. */
    record Answer(int status, JsonNode json, Optional<String> etag) {}

    /** Part of a file. */
    record Slice(Path file, long from, long length) {}

    URI address(String path) {
        return URI.create(settings.endpoint() + path);
    }

    /**
     * Posts something that is in memory.
     *
     * @param accepted statuses other than 200 and 201 that are an answer, too
     */
    Answer post(URI address, String type, byte[] body, Set<Integer> accepted) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(address)
                .header("Content-Type", type)
                .header("Accept", type.equals("application/x-ndjson") ? "application/json" : type)
                .POST(HttpRequest.BodyPublishers.ofByteArray(body));
        return send(request, address, new AtomicLong(), accepted);
    }

    /** Puts a part of a file. */
    Answer put(URI address, Map<String, String> headers, Slice slice, IntConsumer sent) throws IOException {
        AtomicLong moved = new AtomicLong();
        HttpRequest.BodyPublisher body = slice.length() == 0
                ? HttpRequest.BodyPublishers.noBody()
                : HttpRequest.BodyPublishers.fromPublisher(
                        HttpRequest.BodyPublishers.ofInputStream(() -> new SliceStream(slice, moved, sent)),
                        slice.length());
        HttpRequest.Builder request = HttpRequest.newBuilder(address).PUT(body);
        headers.forEach(request::header);
        return send(request, address, moved, Set.of(204));
    }

    private Answer send(HttpRequest.Builder request, URI address, AtomicLong moved, Set<Integer> accepted)
            throws IOException {
        HttpResponse<byte[]> response =
                answer(connection.send(request, address, HttpResponse.BodyHandlers.ofByteArray()), address, moved);
        int status = response.statusCode();
        if (status == 200 || status == 201 || accepted.contains(status)) {
            return new Answer(status, json(response.body()), response.headers().firstValue("ETag"));
        }
        String told = told(response);
        if (Connection.BUSY.contains(status)) {
            throw new BusyException(
                    address.getHost() + " answers " + status + told,
                    RetryAfter.of(response.headers().firstValue("Retry-After")));
        }
        if (!connection.isEndpoint(address)) {
            // An address that the hub signed has expired; the next try gets another.
            throw new IOException(address.getHost() + " answers " + status);
        }
        throw new HubException(
                switch (status) {
                    case 401 ->
                        settings.token().isEmpty()
                                ? "the hub takes nothing from nobody (401): set HF_TOKEN to a token that may write"
                                : "the hub does not take the token (401): check HF_TOKEN";
                    case 403 ->
                        "the token may not write there (403): let HF_TOKEN be one that may, of an account that is in the organization"
                                + told;
                    default -> "the hub answers " + status + " to " + address.getPath() + told;
                });
    }

    /** Waits as long as bytes move. */
    private HttpResponse<byte[]> answer(CompletableFuture<HttpResponse<byte[]>> sent, URI address, AtomicLong moved)
            throws IOException {
        long before = -1;
        while (true) {
            try {
                return sent.get(silence.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                long now = moved.get();
                if (now == before || now == 0) {
                    sent.cancel(true);
                    throw new IOException(address.getHost() + " did not answer for " + silence.toSeconds() + " s", e);
                }
                before = now;
            } catch (ExecutionException e) {
                throw new IOException("no connection to " + address.getHost() + " (" + Backoff.reason(e) + ")", e);
            } catch (InterruptedException e) {
                sent.cancel(true);
                throw Backoff.interrupted(e);
            }
        }
    }

    private static JsonNode json(byte[] body) throws IOException {
        if (body.length == 0) {
            return JSON.missingNode();
        }
        try {
            return JSON.readTree(body);
        } catch (JsonProcessingException e) {
            return JSON.missingNode();
        }
    }

    /** What the hub says about it, if anything. */
    private static String told(HttpResponse<byte[]> response) throws IOException {
        JsonNode error = json(response.body()).path("error");
        String text = error.isTextual()
                ? error.textValue()
                : response.headers().firstValue("X-Error-Message").orElse("");
        return text.isEmpty() ? "" : ": " + text.substring(0, Math.min(TOLD, text.length()));
    }

    /** Reads a part of a file, and counts. */
    private static final class SliceStream extends FilterInputStream {
        private final AtomicLong moved;
        private final IntConsumer sent;
        private long left;

        SliceStream(Slice slice, AtomicLong moved, IntConsumer sent) {
            super(open(slice));
            this.moved = moved;
            this.sent = sent;
            this.left = slice.length();
        }

        private static InputStream open(Slice slice) {
            try {
                FileChannel channel = FileChannel.open(slice.file(), StandardOpenOption.READ);
                return Channels.newInputStream(channel.position(slice.from()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int from, int length) throws IOException {
            if (left == 0) {
                return -1;
            }
            int count = in.read(into, from, (int) Math.min(length, left));
            if (count > 0) {
                left -= count;
                moved.addAndGet(count);
                sent.accept(count);
            }
            return count;
        }
    }

    @Override
    public void close() {
        connection.close();
    }
}
