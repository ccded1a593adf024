package dev.hydrallm.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.function.LongConsumer;

/**
 * A content that grows on the disk and is hashed as it does, whoever wrote its beginning. It gets its final name when it
 * is whole and right. Not thread-safe; one process at a time.
 */
final class PartialFile implements AutoCloseable {
    private static final int CHUNK = 1 << 20;

    private final Path path;
    private final RemoteFile file;
    private final LongConsumer moved;
    private final FileChannel channel;
    private MessageDigest digest;
    private long length;

    private PartialFile(Path path, RemoteFile file, LongConsumer moved, FileChannel channel) {
        this.path = path;
        this.file = file;
        this.moved = moved;
        this.channel = channel;
        this.digest = file.hash().digest(file.size());
    }

    /**
     * Goes on where an earlier process stopped.
     *
     * @param moved told by how many bytes the content grew, or shrank
     */
    static PartialFile open(Path path, RemoteFile file, LongConsumer moved) throws IOException {
        FileChannel channel =
                FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        PartialFile partial = new PartialFile(path, file, moved, channel);
        try {
            partial.takeOver();
            return partial;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private void takeOver() throws IOException {
        if (channel.size() > file.size()) {
            channel.truncate(0);
        }
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK);
        while (channel.read(chunk) >= 0) {
            grow(chunk.array(), chunk.position());
            chunk.clear();
        }
    }

    private void grow(byte[] bytes, int count) {
        digest.update(bytes, 0, count);
        length += count;
        moved.accept(count);
    }

    long length() {
        return length;
    }

    /**
     * Adds bytes.
     *
     * @throws HubException when they are more than the file has
     * @throws UncheckedIOException when the disk does not take them; what it took stays
     */
    void append(byte[] bytes, int count) {
        if (length + count > file.size()) {
            delete();
            throw new HubException(file.name() + ": the hub sends more than the " + file.size()
                    + " bytes that it announced; what came was deleted");
        }
        try {
            for (ByteBuffer left = ByteBuffer.wrap(bytes, 0, count); left.hasRemaining(); ) {
                channel.write(left);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(
                    path + ": cannot be written after " + length + " bytes: " + Backoff.reason(e)
                            + "; free some space and try again, what is there is kept",
                    e);
        }
        grow(bytes, count);
    }

    /** Begins anew. */
    void restart() throws IOException {
        channel.truncate(0);
        channel.position(0);
        digest = file.hash().digest(file.size());
        moved.accept(-length);
        length = 0;
    }

    /**
     * Gives a whole content its final name.
     *
     * @throws HubException when it is not what the hub announced; it is deleted then
     */
    void finish(Path blob) throws IOException {
        String found = HexFormat.of().formatHex(digest.digest());
        if (!found.equals(file.hash().hex())) {
            delete();
            throw new HubException(file.name() + ": what came hashes to " + found + " instead of "
                    + file.hash().hex() + "; it was deleted, try again");
        }
        // A power cut must not leave an empty file under the final name.
        channel.force(true);
        Files.move(path, blob, StandardCopyOption.ATOMIC_MOVE);
    }

    private void delete() {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            throw new UncheckedIOException(path + ": is wrong and cannot be deleted: " + Backoff.reason(e), e);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
