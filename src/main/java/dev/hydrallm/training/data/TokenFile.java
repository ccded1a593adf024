package dev.hydrallm.training.data;

import dev.hydrallm.training.Sample;
import dev.hydrallm.training.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;

/**
 * Samples in a file that is mapped into memory; {@link TokenLayout} says how it looks. Thread-safe; after {@link #close} nothing can be
 * read.
 */
public final class TokenFile implements Samples, AutoCloseable {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int CHUNK = 1 << 20;

    private final Path path;
    private final Arena arena;
    private final MemorySegment bytes;
    private final TokenLayout layout;

    private TokenFile(Path path, Arena arena, MemorySegment bytes, TokenLayout layout) {
        this.path = path;
        this.arena = arena;
        this.bytes = bytes;
        this.layout = layout;
    }

    /**
     * Opens a token file and checks every byte of it.
     *
     * @throws DataFormatException if it is none, of another version, cut off, damaged, or has an id beyond the vocabulary
     */
    @SuppressWarnings("MustBeClosedChecker") // the file owns the arena and closes it
    public static TokenFile open(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new DataFormatException(path + ": no such file; make one with: hydra data prepare");
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            byte[] head = bytes.asSlice(0, Math.min(TokenLayout.HEAD, bytes.byteSize()))
                    .toArray(ValueLayout.JAVA_BYTE);
            TokenFile file = new TokenFile(path, arena, bytes, TokenLayout.read(path.toString(), head));
            file.check();
            return file;
        } catch (IOException e) {
            arena.close();
            throw new DataFormatException(path + ": cannot be read: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** Whether a file begins as token files do; whatever else is wrong with it. */
    public static boolean isOne(Path path) throws IOException {
        if (!Files.isRegularFile(path)) {
            return false;
        }
        try (InputStream in = Files.newInputStream(path)) {
            return TokenLayout.begins(in.readNBytes(TokenLayout.HEAD));
        }
    }

    private void check() {
        if (bytes.byteSize() != layout.bytes()) {
            throw new DataFormatException(path + ": has " + bytes.byteSize() + " bytes instead of " + layout.bytes()
                    + ": it is cut off or damaged, prepare the data again");
        }
        MessageDigest digest = layout.digestOfHead();
        byte[] chunk = new byte[CHUNK];
        for (long at = TokenLayout.HEAD; at < bytes.byteSize(); at += CHUNK) {
            int length = (int) Math.min(CHUNK, bytes.byteSize() - at);
            MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, at, chunk, 0, length);
            digest.update(chunk, 0, length);
        }
        if (!HexFormat.of().formatHex(digest.digest()).equals(layout.fingerprint())) {
            throw new DataFormatException(path + ": its bytes are not what was written: prepare the data again");
        }
        long before = 0;
        for (int sample = 0; sample < count(); sample++) {
            long end = end(sample);
            if (end <= before || end - before > layout.longest()) {
                throw new DataFormatException(
                        path + ": sample " + sample + " has an impossible length: prepare the data again");
            }
            before = end;
        }
        if (before != layout.tokens()) {
            throw new DataFormatException(
                    path + ": its samples have " + before + " tokens, its head says " + layout.tokens());
        }
        for (long i = 0; i < layout.tokens(); i++) {
            int id = id(i);
            if (id < 0 || id >= layout.vocabulary()) {
                throw new DataFormatException(path + ": token " + i + " has the id " + Integer.toUnsignedString(id)
                        + ", the vocabulary ends at " + (layout.vocabulary() - 1) + ": prepare the data again");
            }
        }
    }

    private int id(long token) {
        return TokenLayout.idBytes(layout.vocabulary()) == 2
                ? Short.toUnsignedInt(bytes.get(SHORT, TokenLayout.HEAD + 2 * token))
                : bytes.get(INT, TokenLayout.HEAD + 4 * token);
    }

    private long end(int sample) {
        return bytes.get(LONG, layout.endsAt() + 8L * sample);
    }

    private long begin(int sample) {
        if (sample < 0 || sample >= count()) {
            throw new IndexOutOfBoundsException(path + " has " + count() + " samples, none of number " + sample);
        }
        return sample == 0 ? 0 : end(sample - 1);
    }

    @Override
    public int count() {
        return (int) layout.samples();
    }

    @Override
    public int length(int sample) {
        long begin = begin(sample);
        return (int) (end(sample) - begin);
    }

    @Override
    public Sample get(int sample) {
        long begin = begin(sample);
        int[] ids = new int[length(sample)];
        boolean[] labelled = new boolean[ids.length];
        for (int i = 0; i < ids.length; i++) {
            long token = begin + i;
            ids[i] = id(token);
            labelled[i] = (bytes.get(ValueLayout.JAVA_BYTE, layout.labelsAt() + token / 8) >> (token % 8) & 1) != 0;
        }
        return new Sample(ids, labelled);
    }

    @Override
    public String fingerprint() {
        return layout.fingerprint().substring(0, 16);
    }

    /** Tokens of all samples. */
    public long tokens() {
        return layout.tokens();
    }

    /** Tokens that are labelled. */
    public long labelled() {
        return layout.labelled();
    }

    /** Tokens of the longest sample. */
    public int longest() {
        return layout.longest();
    }

    /** All ids are below it. */
    public int vocabulary() {
        return layout.vocabulary();
    }

    /** SHA-256 of the {@code tokenizer.json} that the ids are of, in hexadecimal. */
    public String tokenizer() {
        return layout.tokenizer();
    }

    @Override
    public void close() {
        arena.close();
    }
}
