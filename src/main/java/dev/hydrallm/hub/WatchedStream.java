package dev.hydrallm.hub;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** A response's body that fails, rather than block for ever, when its sender falls silent. */
final class WatchedStream extends InputStream {
    private final InputStream body;
    private final Duration silence;
    private final AtomicLong reads = new AtomicLong();
    private final Thread watch;
    private volatile boolean silent;

    WatchedStream(InputStream body, Duration silence) {
        this.body = body;
        this.silence = silence;
        this.watch = Thread.ofVirtual().name("hydra-hub-watch").start(this::watch);
    }

    private void watch() {
        try {
            for (long before = -1; before != reads.get(); ) {
                before = reads.get();
                Thread.sleep(silence);
            }
            silent = true;
            body.close();
        } catch (InterruptedException | IOException e) {
            // Closed by its reader, or broken, which the reader sees by itself.
            return;
        }
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
        reads.incrementAndGet();
        int count;
        try {
            count = body.read(bytes, offset, length);
        } catch (IOException e) {
            throw silent ? silence(e) : e;
        }
        if (silent && count < 0) {
            throw silence(null);
        }
        reads.incrementAndGet();
        return count;
    }

    private IOException silence(@Nullable IOException cause) {
        return new IOException("nothing came for " + silence.toSeconds() + " s", cause);
    }

    @Override
    public void close() throws IOException {
        watch.interrupt();
        body.close();
    }
}
