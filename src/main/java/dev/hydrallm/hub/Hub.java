package dev.hydrallm.hub;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Fetches models from a Hugging Face hub into the cache that its other programs use too, so that nothing is fetched
 * twice. What was begun goes on where it stopped; what stands under its final name is whole and was verified by the
 * hub's hash. Thread-safe, and safe with other processes.
 */
public final class Hub {
    private final HubSettings settings;
    private final Patience patience;

    public Hub(HubSettings settings) {
        this(settings, Patience.DEFAULT);
    }

    Hub(HubSettings settings, Patience patience) {
        this.settings = settings;
        this.patience = patience;
    }

    /** Told what happens, from several threads. */
    public interface Listener {
        /** Something to know: what begins, what is waited for. */
        void notice(String line);

        /**
         * Tells how far it is.
         *
         * @param done bytes that are on the disk, of the total
         * @param received bytes that came from the hub so far
         */
        void progress(long done, long total, long received);
    }

    /**
     * A repository's files at a commit.
     *
     * @param files those that were wanted
     * @param fetched bytes that came from the hub for it
     */
    public record Snapshot(Path directory, String commit, int files, long fetched) {}

    /**
     * The directory of a model: as the cache has it, without asking the hub, else pulled.
     *
     * @throws HubException when the hub does not give it, or when it is not cached and the hub may not be asked
     */
    public Path open(Repository repository, Listener listener) throws IOException {
        SnapshotCache cache = new SnapshotCache(settings.cache(), repository);
        Optional<Path> cached = cached(cache, repository);
        if (cached.isPresent()) {
            return cached.get();
        }
        requireOnline(repository + " is not, or not wholly, in " + cache.folder());
        listener.notice(
                "fetching " + repository + " from " + settings.endpoint() + " into " + cache.folder() + ", once");
        return pull(repository, List.of(), listener).directory();
    }

    /**
     * Fetches what is not in the cache of a revision's present state.
     *
     * @param include patterns of the files to fetch, with {@code *} and {@code ?}; empty for what a model needs
     * @throws HubException when the hub does not give it
     */
    public Snapshot pull(Repository repository, List<String> include, Listener listener) throws IOException {
        requireOnline(repository + " cannot be pulled");
        try (HubClient client = new HubClient(settings, patience.silence())) {
            SnapshotCache cache = new SnapshotCache(settings.cache(), repository);
            return new Pull(client, repository, cache, patience, listener).run(include);
        }
    }

    /** Who may see a repository that a push creates. */
    public enum Visibility {
        PUBLIC,
        PRIVATE
    }

    /**
     * Uploads files as one commit to a branch, and creates repository and branch where they are not there.
     *
     * @param files by their names in the repository
     * @return the commit's address
     * @throws HubException when the hub does not take them
     */
    public String push(
            Repository repository, Map<String, Path> files, Visibility visibility, String message, Listener listener)
            throws IOException {
        requireOnline("nothing can be pushed to " + repository);
        if (settings.token().isEmpty()) {
            throw new HubException(
                    "nothing can be pushed to " + repository + " without a token: set HF_TOKEN to one that may write");
        }
        try (UploadClient client = new UploadClient(settings, patience.silence())) {
            return new Push(client, repository, patience, listener, files).run(visibility, message);
        }
    }

    private void requireOnline(String problem) {
        if (settings.access() == HubSettings.Access.OFFLINE) {
            throw new HubException(problem + ", and HF_HUB_OFFLINE forbids to ask the hub: unset it once");
        }
    }

    private static Optional<Path> cached(SnapshotCache cache, Repository repository) throws IOException {
        Optional<String> commit = cache.commit(repository.revision());
        if (commit.isEmpty()) {
            return Optional.empty();
        }
        Path snapshot = cache.snapshot(commit.get());
        Set<String> held = cache.files(commit.get());
        return NeededFiles.complete(held, snapshot::resolve) ? Optional.of(snapshot) : Optional.empty();
    }
}
