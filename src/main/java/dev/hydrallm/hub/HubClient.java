package dev.hydrallm.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;

/**
 * The hub's HTTP interface. An {@link IOException} may pass with another try; a {@link HubException} will not.
 * Thread-safe.
 */
final class HubClient implements AutoCloseable {
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);
    private static final int MOST_REDIRECTS = 5;
    private static final int LONGEST_ANSWER = 64 << 20;

    private final HubSettings settings;
    private final Duration silence;
    private final Connection connection;

    HubClient(HubSettings settings, Duration silence) {
        this.settings = settings;
        this.silence = silence;
        this.connection = new Connection(settings);
    }

    /**
     * An answer, whose body is to be closed.
     *
     * @param address who gave it, after redirects
     */
    record Answer(URI address, int status, HttpHeaders headers, InputStream body) implements AutoCloseable {
        Optional<String> header(String name) {
            return headers.firstValue(name);
        }

        @Override
        public void close() throws IOException {
            body.close();
        }
    }

    /** What a repository holds at its revision. */
    Listing list(Repository repository) throws IOException {
        URI address = URI.create(settings.endpoint() + "/api/models/" + repository.name() + "/revision/"
                + Connection.encode(repository.revision()));
        try (Answer answer = follow("GET", address, 0)) {
            require(answer, repository, "", 200);
            byte[] json = answer.body().readNBytes(LONGEST_ANSWER + 1);
            if (json.length > LONGEST_ANSWER) {
                throw new HubException("the hub's answer about " + repository + " is longer than 64 MB");
            }
            return Listing.parse(json);
        }
    }

    /** A file's hash and size, which the hub says before it sends anybody elsewhere for the content. */
    RemoteFile describe(Repository repository, String commit, String file) throws IOException {
        URI address = address(repository, commit, file);
        for (int hop = 0; hop <= MOST_REDIRECTS; hop++) {
            try (Answer answer = exchange("HEAD", address, 0)) {
                Optional<String> linked = answer.header("X-Linked-Etag");
                if (REDIRECTS.contains(answer.status()) && linked.isEmpty()) {
                    address = next(address, answer.header("Location").orElse(""));
                    continue;
                }
                if (!REDIRECTS.contains(answer.status())) {
                    require(answer, repository, file, 200);
                }
                answer.header("X-Repo-Commit").filter(at -> !at.equals(commit)).ifPresent(at -> {
                    throw new HubException(
                            repository + ": the hub shows " + file + " at commit " + at + " instead of " + commit);
                });
                String etag = linked.or(() -> answer.header("ETag"))
                        .orElseThrow(() -> new HubException(repository + ": the hub gives " + file
                                + " without an etag, so that it could not be verified"));
                return new RemoteFile(file, ContentHash.ofEtag(etag), size(repository, file, answer));
            }
        }
        throw new HubException(repository + ": " + file + " is redirected more than " + MOST_REDIRECTS + " times");
    }

    private static long size(Repository repository, String file, Answer answer) {
        try {
            // A redirect's own length is that of its page.
            Optional<String> own = answer.status() == 200 ? answer.header("Content-Length") : Optional.empty();
            long size =
                    Long.parseLong(answer.header("X-Linked-Size").or(() -> own).orElse(""));
            if (size >= 0) {
                return size;
            }
        } catch (NumberFormatException e) {
            throw new HubException(repository + ": the hub does not say how long " + file + " is", e);
        }
        throw new HubException(repository + ": the hub says that " + file + " has a negative length");
    }

    /** A file's content from a byte on; an answer of 200 instead of 206 begins at the first byte all the same. */
    Answer content(Repository repository, String commit, String file, long from) throws IOException {
        Answer answer = follow("GET", address(repository, commit, file), from);
        try {
            require(answer, repository, file, from > 0 ? 206 : 200);
            return answer;
        } catch (IOException | RuntimeException e) {
            answer.close();
            throw e;
        }
    }

    private Answer follow(String method, URI start, long from) throws IOException {
        URI address = start;
        for (int hop = 0; hop <= MOST_REDIRECTS; hop++) {
            Answer answer = exchange(method, address, from);
            if (!REDIRECTS.contains(answer.status())) {
                return answer;
            }
            try (answer) {
                address = next(address, answer.header("Location").orElse(""));
            }
        }
        throw new HubException(start + " is redirected more than " + MOST_REDIRECTS + " times");
    }

    /** Where a redirect leads. */
    static URI next(URI address, String location) throws IOException {
        try {
            URI next = address.resolve(location);
            if (location.isEmpty() || next.getHost() == null || !Origin.isHttp(next)) {
                throw new IOException("redirected from " + address.getHost() + " to nowhere");
            }
            if (Origin.of(address).scheme().equals("https")
                    && Origin.of(next).scheme().equals("http")) {
                throw new HubException(address.getHost() + " redirects to an address that is not encrypted, "
                        + next.getHost() + "; nothing was fetched from there");
            }
            return next;
        } catch (IllegalArgumentException e) {
            throw new IOException("redirected from " + address.getHost() + " to what is no address", e);
        }
    }

    private Answer exchange(String method, URI address, long from) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(address)
                .method(method, HttpRequest.BodyPublishers.noBody())
                // A length and a range count bytes of the file, not of a compressed form.
                .header("Accept-Encoding", "identity");
        if (from > 0) {
            request.header("Range", "bytes=" + from + "-");
        }
        CompletableFuture<HttpResponse<InputStream>> sent =
                connection.send(request, address, HttpResponse.BodyHandlers.ofInputStream());
        try {
            HttpResponse<InputStream> response = sent.get(silence.toMillis(), TimeUnit.MILLISECONDS);
            return new Answer(
                    address, response.statusCode(), response.headers(), new WatchedStream(response.body(), silence));
        } catch (TimeoutException e) {
            sent.cancel(true);
            throw new IOException(address.getHost() + " did not answer for " + silence.toSeconds() + " s", e);
        } catch (ExecutionException e) {
            throw new IOException("no connection to " + address.getHost() + " (" + Backoff.reason(e) + ")", e);
        } catch (InterruptedException e) {
            sent.cancel(true);
            throw Backoff.interrupted(e);
        }
    }

    /** Returns when the answer is 200 or what was expected. */
    private void require(Answer answer, Repository repository, String file, int expected) throws IOException {
        int status = answer.status();
        if (status == 200 || status == expected) {
            return;
        }
        Origin from = Origin.of(answer.address());
        if (Connection.BUSY.contains(status)) {
            throw new BusyException(from.host() + " answers " + status, RetryAfter.of(answer.header("Retry-After")));
        }
        if (!connection.isEndpoint(answer.address())) {
            // An address that the hub signed has expired; the next try gets another.
            throw new IOException(from.host() + " answers " + status);
        }
        String page = settings.endpoint() + "/" + repository.name();
        switch (status) {
            case 401, 403 -> throw new HubException(refusal(status, repository, page));
            case 404 ->
                throw new HubException(
                        switch (answer.header("X-Error-Code").orElse("")) {
                            case "RevisionNotFound" ->
                                repository.name() + " has no revision " + repository.revision() + "; see " + page;
                            case "EntryNotFound" -> repository + " has no file " + file;
                            default ->
                                "the hub has no repository " + repository.name() + " with a revision "
                                        + repository.revision() + (file.isEmpty() ? "" : " and a file " + file)
                                        + "; see "
                                        + page;
                        });
            default ->
                throw new HubException(
                        repository + ": the hub answers " + status + (file.isEmpty() ? "" : " for " + file));
        }
    }

    private String refusal(int status, Repository repository, String page) {
        if (settings.token().isEmpty()) {
            return repository.name() + " is gated, private or not there (" + status + "): accept its licence at " + page
                    + " and set HF_TOKEN";
        }
        return status == 401
                ? repository.name() + ": the hub does not take the token (401): check HF_TOKEN, and that " + page
                        + " exists"
                : repository.name() + ": the token's account has no access (403): accept the licence at " + page
                        + ", and let HF_TOKEN be a token that may read gated repositories";
    }

    private URI address(Repository repository, String commit, String file) {
        String path = Arrays.stream(file.split("/")).map(Connection::encode).collect(Collectors.joining("/"));
        return URI.create(settings.endpoint() + "/" + repository.name() + "/resolve/" + commit + "/" + path);
    }

    @Override
    public void close() {
        connection.close();
    }
}
