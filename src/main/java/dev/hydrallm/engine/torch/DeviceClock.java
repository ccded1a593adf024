package dev.hydrallm.engine.torch;

/** Adds up the time that a GPU spends on calls, by events of its own around them. For one thread. */
final class DeviceClock implements AutoCloseable {
    private final Cuda cuda;
    private final long begin;
    private final long end;
    private boolean running;
    private long nanos;

    DeviceClock(Cuda cuda) {
        this.cuda = cuda;
        begin = cuda.createEvent();
        end = cuda.createEvent();
    }

    /** Before the first of some calls; does nothing before the others. */
    void start() {
        if (!running) {
            running = true;
            cuda.record(begin, Cuda.DEFAULT_STREAM);
        }
    }

    /** Behind the last of them. */
    void stop() {
        cuda.record(end, Cuda.DEFAULT_STREAM);
    }

    /** When their result is there. */
    void add() {
        if (running) {
            cuda.await(end);
            nanos += cuda.nanos(begin, end);
            running = false;
        }
    }

    /** Forgets calls that failed. */
    void abandon() {
        running = false;
    }

    long nanos() {
        return nanos;
    }

    @Override
    public void close() {
        cuda.destroyEvent(begin);
        cuda.destroyEvent(end);
    }
}
