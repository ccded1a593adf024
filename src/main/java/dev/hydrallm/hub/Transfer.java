package dev.hydrallm.hub;

import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;

/** The way of one file into the cache. */
final class Transfer {
    private static final int CHUNK = 1 << 18;

    private final HubClient client;
    private final Repository repository;
    private final String commit;
    private final SnapshotCache cache;
    private final Patience patience;
    private final Meter meter;
    private final Consumer<String> notices;

    Transfer(
            HubClient client,
            Repository repository,
            String commit,
            SnapshotCache cache,
            Patience patience,
            Meter meter,
            Consumer<String> notices) {
        this.client = client;
        this.repository = repository;
        this.commit = commit;
        this.cache = cache;
        this.patience = patience;
        this.meter = meter;
        this.notices = notices;
    }

    /** Told of bytes; thread-safe. */
    interface Meter {
        /** Bytes more, or fewer, are on the disk. */
        void moved(long bytes);

        /** Bytes came from the hub. */
        void received(int bytes);
    }

    /** Fetches a file unless its content is there or arrives through somebody else meanwhile, and links it. */
    void fetch(RemoteFile file) throws IOException {
        Path blob = cache.blob(file.hash());
        Files.createDirectories(blob.getParent());
        ProcessLock.with(
                cache.lock(file.hash()),
                () -> notices.accept(file.name() + ": another process is fetching it"),
                () -> fetchAlone(file, blob));
        cache.link(commit, file);
    }

    private void fetchAlone(RemoteFile file, Path blob) throws IOException {
        if (isWhole(blob, file)) {
            meter.moved(file.size());
            return;
        }
        try (PartialFile partial = PartialFile.open(cache.partial(file.hash()), file, meter::moved)) {
            complete(partial, file);
            partial.finish(blob);
        }
    }

    static boolean isWhole(Path blob, RemoteFile file) throws IOException {
        return Files.isRegularFile(blob) && Files.size(blob) == file.size();
    }

    private void complete(PartialFile partial, RemoteFile file) {
        Backoff backoff = new Backoff(repository.name() + "/" + file.name(), patience, notices);
        long furthest = partial.length();
        while (partial.length() < file.size()) {
            try {
                receive(partial, file);
            } catch (IOException e) {
                // A hub that breaks off at the same byte each time gets nowhere, however much it sends.
                if (partial.length() > furthest) {
                    furthest = partial.length();
                    backoff.reset();
                }
                backoff.pause(e);
            }
        }
    }

    private void receive(PartialFile partial, RemoteFile file) throws IOException {
        try (HubClient.Answer answer = client.content(repository, commit, file.name(), partial.length())) {
            if (answer.status() == 206) {
                String range = answer.header("Content-Range").orElse("");
                if (!range.startsWith("bytes " + partial.length() + "-")) {
                    throw new IOException("asked for bytes from " + partial.length() + " on, got " + range);
                }
            } else if (partial.length() > 0) {
                partial.restart();
            }
            byte[] chunk = new byte[CHUNK];
            for (int count; (count = answer.body().read(chunk)) >= 0; ) {
                meter.received(count);
                partial.append(chunk, count);
            }
        }
        if (partial.length() < file.size()) {
            throw new EOFException("the content ended " + (file.size() - partial.length()) + " bytes early");
        }
    }
}
