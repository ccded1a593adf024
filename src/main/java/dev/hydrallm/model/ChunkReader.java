package dev.hydrallm.model;

import dev.hydrallm.natives.LargePages;
import dev.hydrallm.natives.Sha256;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads a file's chunks into aligned buffers outside the heap and verifies each as soon as it is read. For one thread; an interrupt
 * ends a read.
 */
final class ChunkReader implements AutoCloseable {
    private final Path file;
    private final FileDigest expected;
    private final int readBytes;
    private final FileChannel channel;
    private final Arena arena = Arena.ofConfined();
    private final List<MemorySegment> buffers = new ArrayList<>();
    private final Sha256 sha256 = new Sha256(arena);

    /**
     * Opens a file.
     *
     * @throws ModelFormatException when it is missing, unreadable or of another length than expected
     */
    ChunkReader(Path file, FileDigest expected, LoadOptions options) {
        this.file = file;
        this.expected = expected;
        this.readBytes = options.readBytes();
        if (!Files.isRegularFile(file)) {
            arena.close();
            throw new ModelFormatException(file + ": no such file");
        }
        try {
            channel = open(file, options.directIo());
        } catch (IOException e) {
            arena.close();
            throw unreadable(e);
        }
        try {
            expected.checkLength(file, channel.size());
        } catch (IOException e) {
            close();
            throw unreadable(e);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /**
     * Reads chunks.
     *
     * @param chunks at most {@value Sha256#TOGETHER}
     * @return their bytes, until the next call
     * @throws ModelFormatException when one cannot be read or is not what the digest says
     */
    List<MemorySegment> read(int... chunks) {
        List<MemorySegment> read = new ArrayList<>();
        for (int chunk : chunks) {
            if (buffers.size() == read.size()) {
                buffers.add(LargePages.allocate(FileDigest.CHUNK, arena));
            }
            read.add(read(chunk, buffers.get(read.size())));
        }
        List<byte[]> digests = sha256.digests(read);
        for (int i = 0; i < chunks.length; i++) {
            expected.checkChunk(file, chunks[i], digests.get(i));
        }
        return read;
    }

    private MemorySegment read(int chunk, MemorySegment buffer) {
        long begin = FileDigest.begin(chunk);
        int length = expected.length(chunk);
        ByteBuffer bytes = buffer.asByteBuffer();
        try {
            int done = 0;
            while (done < length) {
                // The last read asks for more than there is: direct I/O wants whole blocks.
                bytes.limit(Math.min(done + readBytes, FileDigest.CHUNK)).position(done);
                int read = channel.read(bytes, begin + done);
                if (read <= 0) {
                    throw new IOException("it ends at byte " + (begin + done));
                }
                done = Math.min(done + read, length);
            }
        } catch (IOException e) {
            throw unreadable(e);
        }
        return buffer.asSlice(0, length);
    }

    private ModelFormatException unreadable(IOException e) {
        return new ModelFormatException(file + ": cannot be read: " + ModelFormatException.reason(e), e);
    }

    private static FileChannel open(Path file, LoadOptions.DirectIo directIo) throws IOException {
        if (directIo == LoadOptions.DirectIo.ON) {
            try {
                return FileChannel.open(file, StandardOpenOption.READ, direct());
            } catch (IOException | UnsupportedOperationException e) {
                // This file system has none: opening it plainly tells whether that was all.
            }
        }
        return FileChannel.open(file, StandardOpenOption.READ);
    }

    /** The JDK's own option, found by name because the compiler warns of every use and cannot be told not to. */
    private static OpenOption direct() {
        try {
            Class<?> options = Class.forName("com.sun.nio.file.ExtendedOpenOption");
            return (OpenOption) options.getField("DIRECT").get(null);
        } catch (ReflectiveOperationException e) {
            throw new UnsupportedOperationException(e);
        }
    }

    @Override
    public void close() {
        arena.close();
        try {
            channel.close();
        } catch (IOException e) {
            throw unreadable(e);
        }
    }
}
