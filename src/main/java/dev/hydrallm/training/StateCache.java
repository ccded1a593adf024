package dev.hydrallm.training;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * What the base made of each sample, in one mapped file, so that the base reads a sample once: later epochs, and later runs of the same base on
 * the same samples, take it from there.
 *
 * <p>The file, little-endian: {@value #MAGIC}, the SHA-256 of the key (32 bytes), samples and bytes per token (64 bits each); for each
 * sample 64 bits, 0 until it is there and then {@code 1 << 32 | CRC-32C} of its bytes; then the samples' bytes side by side. What a killed
 * process or a lost page left does not have its sum, and is made anew.
 */
final class StateCache implements AutoCloseable {
    private static final String MAGIC = "HYDRAST1";
    private static final int HEADER = 8 + 32 + 8 + 8;
    private static final long THERE = 1L << 32;
    private static final long LARGEST_BATCH = Integer.MAX_VALUE - 8;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Arena arena;
    private final FileChannel channel;
    private final MemorySegment bytes;
    /** Where each sample's bytes begin, and where the last one's end. */
    private final long[] begins;

    private long found;
    private long made;

    private StateCache(Arena arena, FileChannel channel, MemorySegment bytes, long[] begins) {
        this.arena = arena;
        this.channel = channel;
        this.bytes = bytes;
        this.begins = begins;
    }

    /**
     * Opens the file of a key, or begins one.
     *
     * @param key all that the states depend on, the samples included
     * @param notices told where it is, and when what is there is of no use
     * @throws IOException when the disk has no room for all of it, or another process works on it
     */
    @SuppressWarnings("MustBeClosedChecker") // the opened cache owns the arena and closes it
    static StateCache open(Path folder, String key, Samples samples, int bytesPerToken, Consumer<String> notices)
            throws IOException {
        byte[] digest = Sha256.digest().digest(key.getBytes(StandardCharsets.UTF_8));
        Files.createDirectories(folder);
        Path file = folder.resolve(HexFormat.of().formatHex(digest, 0, 8) + ".states");
        long[] begins = new long[samples.count() + 1];
        begins[0] = HEADER + 8L * samples.count();
        for (int i = 0; i < samples.count(); i++) {
            begins[i + 1] = begins[i] + (long) samples.length(i) * bytesPerToken;
        }
        byte[] header = header(digest, samples.count(), bytesPerToken);
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        Arena arena = Arena.ofShared();
        try {
            lock(file, channel);
            long size = begins[samples.count()];
            if (channel.size() != 0 && !isOurs(channel, header, size)) {
                notices.accept(file + " is damaged; making it anew");
                channel.truncate(0);
            }
            boolean fresh = channel.size() == 0;
            long room = Files.getFileStore(folder).getUsableSpace();
            if (fresh && room < size) {
                throw new IOException(String.format(
                        Locale.ROOT,
                        "%s: the states of all samples take %.1f GB, and its disk has room for %.1f GB: leave out"
                                + " --cache-hidden-states, or name another folder",
                        folder,
                        size / 1e9,
                        room / 1e9));
            }
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_WRITE, 0, size, arena);
            if (fresh) {
                MemorySegment.copy(header, 0, bytes, ValueLayout.JAVA_BYTE, 0, HEADER);
            }
            notices.accept(String.format(
                    Locale.ROOT,
                    "%s the base's states %s %s (%.1f MB in all)",
                    fresh ? "keeping" : "using",
                    fresh ? "in" : "of",
                    file,
                    size / 1e6));
            return new StateCache(arena, channel, bytes, begins);
        } catch (IOException | RuntimeException e) {
            arena.close();
            channel.close();
            throw e;
        }
    }

    private static void lock(Path file, FileChannel channel) throws IOException {
        @Nullable FileLock lock;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            lock = null;
        }
        if (lock == null) {
            throw new IOException(file + ": another run works on it; wait for it, or name another folder");
        }
    }

    private static byte[] header(byte[] digest, int samples, int bytesPerToken) {
        byte[] header = new byte[HEADER];
        MemorySegment segment = MemorySegment.ofArray(header);
        MemorySegment.copy(MAGIC.getBytes(StandardCharsets.US_ASCII), 0, segment, ValueLayout.JAVA_BYTE, 0, 8);
        MemorySegment.copy(digest, 0, segment, ValueLayout.JAVA_BYTE, 8, digest.length);
        segment.set(LONG, 40, samples);
        segment.set(LONG, 48, bytesPerToken);
        return header;
    }

    private static boolean isOurs(FileChannel channel, byte[] header, long size) throws IOException {
        if (channel.size() != size) {
            return false;
        }
        ByteBuffer found = ByteBuffer.allocate(HEADER);
        channel.read(found, 0);
        return Arrays.equals(found.array(), header);
    }

    /** The states of a batch: from the file if all are there, else from the base, and from then on in the file. */
    Learner.States states(Learner learner, int[] samples, List<Sample> batch) {
        requireRoom(samples);
        Optional<byte[]> stored = find(samples);
        if (stored.isPresent()) {
            found += samples.length;
            return learner.restore(batch, stored.get());
        }
        made += samples.length;
        Learner.States states = learner.read(batch);
        try {
            keep(samples, learner.stored(states));
            return states;
        } catch (InternalError e) {
            // What a page is that the disk has no room for any more.
            states.close();
            throw new UncheckedIOException(
                    new IOException("the base's states cannot be kept: is the disk of --cache-hidden-states full?", e));
        } catch (RuntimeException e) {
            states.close();
            throw e;
        }
    }

    /** A batch's bytes go through one array. */
    private void requireRoom(int[] samples) {
        long bytesOfBatch = Arrays.stream(samples).mapToLong(this::size).sum();
        if (bytesOfBatch > LARGEST_BATCH) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "the base's states of a batch take %.1f GB, and --cache-hidden-states keeps %.1f GB at once: take a"
                            + " smaller --per-device-train-batch-size with more --gradient-accumulation-steps",
                    bytesOfBatch / 1e9,
                    LARGEST_BATCH / 1e9));
        }
    }

    private Optional<byte[]> find(int[] samples) {
        byte[] batch = new byte
                [Math.toIntExact(Arrays.stream(samples).mapToLong(this::size).sum())];
        int from = 0;
        for (int sample : samples) {
            int size = Math.toIntExact(size(sample));
            long entry = bytes.get(LONG, place(sample));
            if (entry == 0) {
                return Optional.empty();
            }
            MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, begins[sample], batch, from, size);
            if (entry != entry(batch, from, size)) {
                return Optional.empty();
            }
            from += size;
        }
        return Optional.of(batch);
    }

    private void keep(int[] samples, byte[] batch) {
        int from = 0;
        for (int sample : samples) {
            int size = Math.toIntExact(size(sample));
            MemorySegment.copy(batch, from, bytes, ValueLayout.JAVA_BYTE, begins[sample], size);
            bytes.set(LONG, place(sample), entry(batch, from, size));
            from += size;
        }
        if (from != batch.length) {
            throw new IllegalStateException(batch.length + " bytes of states instead of " + from);
        }
    }

    private long size(int sample) {
        return begins[sample + 1] - begins[sample];
    }

    private static long place(int sample) {
        return HEADER + 8L * sample;
    }

    private static long entry(byte[] batch, int from, int size) {
        CRC32C crc = new CRC32C();
        crc.update(batch, from, size);
        return THERE | crc.getValue();
    }

    /** Samples whose states came from the file. */
    long found() {
        return found;
    }

    /** Samples that the base had to read. */
    long made() {
        return made;
    }

    @Override
    public void close() throws IOException {
        bytes.force();
        arena.close();
        channel.close();
    }
}
