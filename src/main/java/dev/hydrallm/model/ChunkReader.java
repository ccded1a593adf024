package dev.hydrallm.model;

import dev.hydrallm.natives.LargePages;
import dev.hydrallm.natives.Sha256;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
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
    private final DirectPace pace;
    private final FileReads reads;
    private final Arena arena = Arena.ofConfined();
    private final List<MemorySegment> buffers = new ArrayList<>();
    private final Sha256 sha256 = new Sha256(arena);

    /**
     * Opens a file.
     *
     * @throws ModelFormatException when it is missing, unreadable or of another length than expected
     */
    ChunkReader(Path file, FileDigest expected, LoadOptions options, DirectPace pace) {
        this.file = file;
        this.expected = expected;
        this.readBytes = options.readBytes();
        this.pace = pace;
        if (!Files.isRegularFile(file)) {
            arena.close();
            throw new ModelFormatException(file + ": no such file");
        }
        try {
            reads = FileReads.open(file, options.directIo(), pace);
        } catch (IOException e) {
            arena.close();
            throw unreadable(e);
        }
        try {
            expected.checkLength(file, reads.size());
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
        List<Part> parts = new ArrayList<>();
        for (int chunk : chunks) {
            if (buffers.size() == parts.size()) {
                buffers.add(LargePages.allocate(FileDigest.CHUNK, arena));
            }
            parts.add(new Part(chunk, buffers.get(parts.size())));
        }
        try {
            // While one read is digested the system reads ahead for the next.
            while (parts.stream().anyMatch(part -> !part.isWhole())) {
                for (Part part : parts) {
                    part.readOn();
                }
                sha256.add(parts.stream().map(Part::newBlocks).toList());
            }
        } catch (IOException e) {
            sha256.reset();
            throw unreadable(e);
        }
        List<byte[]> digests = sha256.digests(parts.stream().map(Part::rest).toList());
        for (int i = 0; i < chunks.length; i++) {
            expected.checkChunk(file, chunks[i], digests.get(i));
        }
        return parts.stream().map(Part::bytes).toList();
    }

    /** A chunk while it is read. */
    private final class Part {
        private final int chunk;
        private final MemorySegment buffer;
        private final ByteBuffer target;
        private final int length;
        private FileChannel way;
        private int read;
        private int digested;

        Part(int chunk, MemorySegment buffer) {
            this.chunk = chunk;
            this.buffer = buffer;
            this.target = buffer.asByteBuffer();
            this.length = expected.length(chunk);
            this.way = reads.direct(FileDigest.begin(chunk), length).orElse(reads.cached());
        }

        boolean isWhole() {
            return read == length;
        }

        /** Reads once, if there is more. */
        void readOn() throws IOException {
            if (isWhole()) {
                return;
            }
            int now;
            try {
                now = readOnce();
            } catch (IOException e) {
                if (way.equals(reads.cached())) {
                    throw e;
                }
                // Not every file system can what it promised; if it is the disk, the other way tells, too.
                way = reads.cached();
                now = readOnce();
            }
            if (now <= 0) {
                throw new IOException("it ends at byte " + (FileDigest.begin(chunk) + read));
            }
            read = Math.min(read + now, length);
            if (!isWhole() && target.hasRemaining()) {
                way = reads.cached(); // what is left begins within a block
            }
        }

        private int readOnce() throws IOException {
            // The last read asks for more than there is: direct I/O wants whole blocks.
            target.limit(Math.min(read + readBytes, FileDigest.CHUNK)).position(read);
            long begin = System.nanoTime();
            int now = way.read(target, FileDigest.begin(chunk) + read);
            if (!way.equals(reads.cached())) {
                pace.add(now, System.nanoTime() - begin);
            }
            return now;
        }

        /** What was read and not digested yet, in whole blocks. */
        MemorySegment newBlocks() {
            int from = digested;
            digested = read / Sha256.BLOCK * Sha256.BLOCK;
            return buffer.asSlice(from, digested - from);
        }

        MemorySegment rest() {
            return buffer.asSlice(digested, length - digested);
        }

        MemorySegment bytes() {
            return buffer.asSlice(0, length);
        }
    }

    private ModelFormatException unreadable(IOException e) {
        return new ModelFormatException(file + ": cannot be read: " + ModelFormatException.reason(e), e);
    }

    @Override
    public void close() {
        arena.close();
        try {
            reads.close();
        } catch (IOException e) {
            throw unreadable(e);
        }
    }
}
