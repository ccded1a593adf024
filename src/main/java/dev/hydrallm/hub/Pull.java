package dev.hydrallm.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/** One pull of a repository: what is not in the cache is fetched, several files at once. */
final class Pull {
    private static final int FILES_AT_ONCE = 8;

    private final HubClient client;
    private final Repository repository;
    private final SnapshotCache cache;
    private final Patience patience;
    private final Hub.Listener listener;
    private final AtomicLong received = new AtomicLong();

    Pull(HubClient client, Repository repository, SnapshotCache cache, Patience patience, Hub.Listener listener) {
        this.client = client;
        this.repository = repository;
        this.cache = cache;
        this.patience = patience;
        this.listener = listener;
    }

    /** Makes the snapshot; the revision points to it only when all of it is there. */
    Hub.Snapshot run(List<String> include) throws IOException {
        Listing listing = backoff("").untilItWorks(() -> client.list(repository));
        String commit = listing.commit();
        Set<String> wanted = include.isEmpty() ? needed(listing) : NeededFiles.matching(listing.files(), include);
        if (wanted.isEmpty()) {
            throw new HubException(repository + ": no file matches " + String.join(", ", include));
        }
        Set<String> absent = new TreeSet<>(wanted);
        absent.removeAll(listing.files());
        if (!absent.isEmpty()) {
            throw new HubException(repository + ": lacks files that a model needs: " + String.join(", ", absent));
        }
        fetch(commit, wanted);
        cache.remember(repository.revision(), commit);
        return new Hub.Snapshot(cache.snapshot(commit), commit, wanted.size(), received.get());
    }

    private Set<String> needed(Listing listing) throws IOException {
        Set<String> needed = NeededFiles.of(listing.files(), index -> {
            fetch(listing.commit(), Set.of(index));
            return cache.snapshot(listing.commit()).resolve(index);
        });
        if (needed.isEmpty()) {
            boolean gguf = listing.files().stream().anyMatch(name -> name.endsWith(".gguf"));
            throw new HubException(repository + ": holds no weights in safetensors or PyTorch's format; "
                    + (gguf
                            ? "fetch one of its GGUF files: --include '*Q8_0.gguf'"
                            : "--include fetches files by name"));
        }
        return needed;
    }

    private Backoff backoff(String file) {
        return new Backoff(
                file.isEmpty() ? repository.name() : repository.name() + "/" + file, patience, listener::notice);
    }

    private void fetch(String commit, Set<String> names) throws IOException {
        Set<String> missing = new TreeSet<>(names);
        missing.removeAll(cache.files(commit));
        List<RemoteFile> files = all(missing.stream()
                .<Callable<RemoteFile>>map(
                        name -> () -> backoff(name).untilItWorks(() -> client.describe(repository, commit, name)))
                .toList());
        long total = requireSpace(files);
        Transfer transfer =
                new Transfer(client, repository, commit, cache, patience, new Progress(total), listener::notice);
        all(files.stream()
                .<Callable<RemoteFile>>map(file -> () -> {
                    transfer.fetch(file);
                    return file;
                })
                .toList());
    }

    /** The bytes that will be there in the end and are not yet, or not wholly. */
    private long requireSpace(List<RemoteFile> files) throws IOException {
        Files.createDirectories(cache.folder());
        long free = Files.getFileStore(cache.folder()).getUsableSpace();
        long left = free;
        long total = 0;
        Set<ContentHash> counted = new HashSet<>();
        for (RemoteFile file : files) {
            if (counted.add(file.hash()) && !Transfer.isWhole(cache.blob(file.hash()), file)) {
                Path partial = cache.partial(file.hash());
                long there = Files.isRegularFile(partial) ? Math.min(Files.size(partial), file.size()) : 0;
                // What a hub announces may be any number: nothing is added up before it is known to fit.
                if (file.size() - there > left) {
                    throw new HubException(String.format(
                            Locale.ROOT,
                            "%s does not fit on the disk of %s with %,d MB free (%s has %,d MB): make room, or set"
                                    + " HF_HUB_CACHE",
                            repository,
                            cache.folder(),
                            free / 1_000_000,
                            file.name(),
                            file.size() / 1_000_000));
                }
                left -= file.size() - there;
                total += file.size();
            }
        }
        return total;
    }

    private final class Progress implements Transfer.Meter {
        private final long total;
        private final AtomicLong done = new AtomicLong();

        Progress(long total) {
            this.total = total;
        }

        @Override
        public void moved(long bytes) {
            long now = done.addAndGet(bytes);
            if (total > 0) {
                listener.progress(Math.min(now, total), total, received.get());
            }
        }

        @Override
        public void received(int bytes) {
            received.addAndGet(bytes);
        }
    }

    /** Runs tasks, some at once; the first that fails ends the others, which can be gone on with another time. */
    private static <T> List<T> all(List<Callable<T>> tasks) throws IOException {
        try (ExecutorService pool = Executors.newFixedThreadPool(
                FILES_AT_ONCE, Thread.ofVirtual().name("hydra-hub-", 0).factory())) {
            CompletionService<T> completed = new ExecutorCompletionService<>(pool);
            tasks.forEach(completed::submit);
            try {
                List<T> results = new ArrayList<>();
                for (int i = 0; i < tasks.size(); i++) {
                    results.add(completed.take().get());
                }
                return results;
            } catch (InterruptedException e) {
                pool.shutdownNow();
                throw Backoff.interrupted(e);
            } catch (ExecutionException e) {
                pool.shutdownNow();
                switch (e.getCause()) {
                    case RuntimeException known -> throw known;
                    case IOException known -> throw known;
                    case null, default -> throw new IllegalStateException(e);
                }
            }
        }
    }
}
