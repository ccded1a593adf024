package dev.hydrallm.evaluation;

import dev.hydrallm.model.LoadOptions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

/** A file read by several threads that do nothing with it: what a disk, or the page cache, can give. */
final class PlainRead {
    private PlainRead() {}

    /** Reads all of a file with the threads and the size of reads that a load would have. */
    static void read(Path file, LoadOptions options) throws IOException {
        AtomicLong next = new AtomicLong();
        int threads = options.threadsFor(file.toFile().length());
        try (ExecutorService readers = Executors.newFixedThreadPool(threads)) {
            List<Future<Void>> reading = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                reading.add(readers.submit(() -> {
                    readParts(file, options.readBytes(), next);
                    return null;
                }));
            }
            for (Future<Void> part : reading) {
                part.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        } catch (ExecutionException e) {
            throw new IOException(file + " cannot be read", e.getCause());
        }
    }

    private static void readParts(Path file, int length, AtomicLong next) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(length);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            long begin;
            while ((begin = next.getAndAdd(length)) < size) {
                buffer.clear();
                while (buffer.hasRemaining() && channel.read(buffer, begin + buffer.position()) > 0) {
                    // until the part is full or the file ends
                }
            }
        }
    }
}
