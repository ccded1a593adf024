package dev.hydrallm.hub;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A repository's folder in the cache, as huggingface_hub lays it out: {@code blobs/ETAG} with the contents, {@code
 * snapshots/COMMIT/FILE} with links to them, {@code refs/REVISION} with the commit that a revision was last seen at, and
 * beside it {@code .locks}. Whatever stands under its final name is whole.
 */
final class SnapshotCache {
    private final Path folder;
    private final Path locks;

    SnapshotCache(Path cache, Repository repository) {
        String name = "models--" + repository.name().replace("/", "--");
        this.folder = cache.resolve(name);
        this.locks = cache.resolve(".locks").resolve(name);
    }

    Path folder() {
        return folder;
    }

    /** The commit that a revision was last seen at. */
    Optional<String> commit(String revision) throws IOException {
        if (Repository.COMMIT.matcher(revision).matches()) {
            return Optional.of(revision);
        }
        try {
            return Optional.of(Files.readString(folder.resolve("refs").resolve(revision))
                            .strip())
                    .filter(commit -> Repository.COMMIT.matcher(commit).matches());
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    /** Notes what a revision's commit is, once its snapshot is there. */
    void remember(String revision, String commit) throws IOException {
        if (!Repository.COMMIT.matcher(revision).matches()) {
            Path ref = folder.resolve("refs").resolve(revision);
            Files.createDirectories(ref.resolveSibling(""));
            Path written = unfinished(ref);
            Files.writeString(written, commit);
            Files.move(written, ref, StandardCopyOption.ATOMIC_MOVE);
        }
    }

    Path snapshot(String commit) {
        return folder.resolve("snapshots").resolve(commit);
    }

    /** The files of a snapshot by their paths in the repository, those left out whose content is gone. */
    Set<String> files(String commit) throws IOException {
        Path snapshot = snapshot(commit);
        if (!Files.isDirectory(snapshot)) {
            return Set.of();
        }
        try (Stream<Path> entries = Files.walk(snapshot, 10, FileVisitOption.FOLLOW_LINKS)) {
            return entries.filter(Files::isRegularFile)
                    .map(file -> snapshot.relativize(file).toString())
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    Path blob(ContentHash hash) {
        return folder.resolve("blobs").resolve(hash.hex());
    }

    /** Where a content grows until it is whole. */
    Path partial(ContentHash hash) {
        return folder.resolve("blobs").resolve(hash.hex() + ".incomplete");
    }

    Path lock(ContentHash hash) {
        return locks.resolve(hash.hex() + ".lock");
    }

    /** Puts a whole blob into a snapshot, in place of a link whose content is gone. */
    void link(String commit, RemoteFile file) throws IOException {
        Path link = snapshot(commit).resolve(file.name());
        Path parent = link.resolveSibling("");
        Files.createDirectories(parent);
        Path target = parent.relativize(blob(file.hash()));
        try {
            Files.createSymbolicLink(link, target);
        } catch (FileAlreadyExistsException e) {
            if (!Files.isRegularFile(link)) {
                Path made = unfinished(link);
                Files.createSymbolicLink(made, target);
                Files.move(made, link, StandardCopyOption.ATOMIC_MOVE);
            }
        }
    }

    private static Path unfinished(Path file) {
        return file.resolveSibling(file.getFileName() + "." + UUID.randomUUID());
    }
}
