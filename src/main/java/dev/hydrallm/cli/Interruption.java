package dev.hydrallm.cli;

import java.util.concurrent.atomic.AtomicInteger;
import org.jline.utils.Signals;

/** Ctrl-C, or the end that a system asks for, as a wish: what is at work ends when it can. Asked a second time the process ends at once. */
final class Interruption implements AutoCloseable {
    private static final String[] SIGNALS = {"INT", "TERM"};

    private final Object[] before = new Object[SIGNALS.length];
    private final AtomicInteger asked = new AtomicInteger();

    /** @param first what happens the first time */
    Interruption(Runnable first) {
        for (int i = 0; i < SIGNALS.length; i++) {
            before[i] = Signals.register(SIGNALS[i], () -> {
                if (asked.incrementAndGet() > 1) {
                    Runtime.getRuntime().halt(Cli.INTERRUPTED);
                }
                first.run();
            });
        }
    }

    boolean wished() {
        return asked.get() > 0;
    }

    /** Signals end the process again. */
    @Override
    public void close() {
        for (int i = 0; i < SIGNALS.length; i++) {
            Signals.unregister(SIGNALS[i], before[i]);
        }
    }
}
