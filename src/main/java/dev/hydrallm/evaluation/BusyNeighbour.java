package dev.hydrallm.evaluation;

import java.io.IOException;
import java.io.UncheckedIOException;

/** Another process that keeps one processor busy until this is closed, or until this process ends in any way. */
public final class BusyNeighbour implements AutoCloseable {
    private final Process process;

    private BusyNeighbour(Process process) {
        this.process = process;
    }

    /** Starts one. */
    public static BusyNeighbour start() {
        // kill is part of the shell: the loop asks for nothing but processor time.
        String spin = "while kill -0 " + ProcessHandle.current().pid() + "; do :; done";
        try {
            return new BusyNeighbour(new ProcessBuilder("sh", "-c", spin)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whether it still spins. */
    public boolean running() {
        return process.isAlive();
    }

    @Override
    public void close() {
        process.destroy();
    }
}
