package dev.hydrallm.training.data;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * Writes a token file beside its place, to which it is moved when it is whole. Holds 8 bytes a sample and a bit a token in memory.
 * Not thread-safe.
 */
public final class TokenFileWriter implements AutoCloseable {
    private static final int BUFFER = 1 << 16;

    private final Path target;
    private final Path unfinished;
    private final int vocabulary;
    private final String tokenizer;
    private final int idBytes;
    private final FileChannel channel;
    private final OutputStream ids;
    private long[] ends = new long[1024];
    private byte[] labels = new byte[1024];
    private int samples;
    private long tokens;
    private long labelled;
    private int longest;

    /**
     * Begins a file, which takes the place of one that is there.
     *
     * @param tokenizer SHA-256 of the {@code tokenizer.json}, in hexadecimal
     * @throws IllegalArgumentException if there is a folder in its place
     */
    public TokenFileWriter(Path target, int vocabulary, String tokenizer) throws IOException {
        this.target = target.toAbsolutePath();
        this.vocabulary = vocabulary;
        this.tokenizer = tokenizer;
        this.idBytes = TokenLayout.idBytes(vocabulary);
        if (Files.isDirectory(this.target)) {
            throw new IllegalArgumentException(target + " is a folder, not the name of a file to write");
        }
        Path folder = Objects.requireNonNull(this.target.getParent());
        Files.createDirectories(folder);
        String name = this.target.getFileName() + ".unfinished-";
        deleteAbandoned(folder, name);
        this.unfinished = this.target.resolveSibling(name + UUID.randomUUID());
        this.channel = FileChannel.open(
                unfinished, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW);
        if (!isOurs(channel) || !Files.exists(unfinished)) {
            channel.close();
            throw new IOException(unfinished + ": taken by another process just now; try again");
        }
        this.ids = new BufferedOutputStream(Channels.newOutputStream(channel), BUFFER);
        ids.write(new byte[TokenLayout.HEAD]);
    }

    /** Files of processes that were killed: nobody holds their locks any more. */
    private static void deleteAbandoned(Path folder, String name) throws IOException {
        List<Path> left;
        try (Stream<Path> files = Files.list(folder)) {
            left = files.filter(file -> file.getFileName().toString().startsWith(name))
                    .toList();
        }
        for (Path file : left) {
            try (FileChannel abandoned = FileChannel.open(file, StandardOpenOption.WRITE)) {
                if (isOurs(abandoned)) {
                    Files.deleteIfExists(file);
                }
            } catch (NoSuchFileException | AccessDeniedException e) {
                // Finished meanwhile, or somebody else's.
            }
        }
    }

    /** Takes a file's lock, which ends with the channel, and with the process however that ends. */
    private static boolean isOurs(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            return false;
        }
    }

    /**
     * Adds a sample.
     *
     * @throws IllegalArgumentException if it is empty, or an id is not in the vocabulary
     */
    public void add(int[] sample, boolean[] answered) throws IOException {
        if (sample.length == 0 || sample.length != answered.length) {
            throw new IllegalArgumentException(sample.length + " tokens with " + answered.length + " labels");
        }
        if (tokens + sample.length > 8L * (Integer.MAX_VALUE - 8)) {
            throw new IllegalArgumentException("more than 17 thousand million tokens: give several files");
        }
        byte[] encoded = new byte[sample.length * idBytes];
        for (int i = 0; i < sample.length; i++) {
            int id = sample[i];
            if (id < 0 || id >= vocabulary) {
                throw new IllegalArgumentException(
                        "the tokenizer gives the id " + id + ", the model's vocabulary ends at " + (vocabulary - 1));
            }
            for (int b = 0; b < idBytes; b++) {
                encoded[i * idBytes + b] = (byte) (id >> (8 * b));
            }
            label(tokens + i, answered[i]);
        }
        ids.write(encoded);
        tokens += sample.length;
        longest = Math.max(longest, sample.length);
        if (samples == ends.length) {
            ends = Arrays.copyOf(ends, 2 * samples);
        }
        ends[samples++] = tokens;
    }

    private void label(long token, boolean answered) {
        int at = (int) (token / 8);
        if (at == labels.length) {
            labels = Arrays.copyOf(labels, (int) Math.min(Integer.MAX_VALUE - 8, 2L * at));
        }
        if (answered) {
            labels[at] |= (byte) (1 << (token % 8));
            labelled++;
        }
    }

    public int samples() {
        return samples;
    }

    public long tokens() {
        return tokens;
    }

    public long labelled() {
        return labelled;
    }

    /** Tokens of the longest sample. */
    public int longest() {
        return longest;
    }

    /** Completes the file and puts it in its place. */
    public void finish() throws IOException {
        TokenLayout layout =
                new TokenLayout(samples, tokens, labelled, vocabulary, longest, tokenizer, "00".repeat(32));
        ids.write(labels, 0, (int) Math.ceilDiv(tokens, 8L));
        ids.write(new byte[(int) (layout.endsAt() - layout.labelsAt() - Math.ceilDiv(tokens, 8L))]);
        ByteBuffer end = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < samples; i++) {
            ids.write(end.putLong(0, ends[i]).array());
        }
        ids.flush();
        MessageDigest digest = layout.digestOfHead();
        ByteBuffer chunk = ByteBuffer.allocate(BUFFER);
        for (long at = TokenLayout.HEAD; channel.read(chunk.clear(), at) > 0; at += chunk.limit()) {
            digest.update(chunk.flip());
        }
        ByteBuffer head = ByteBuffer.wrap(layout.withFingerprint(HexFormat.of().formatHex(digest.digest()))
                .head());
        while (head.hasRemaining()) {
            channel.write(head, head.position());
        }
        channel.force(true);
        channel.close();
        Files.move(unfinished, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Removes what was not finished. */
    @Override
    public void close() {
        try {
            channel.close();
            Files.deleteIfExists(unfinished);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
