package dev.hydrallm.serving;

import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.StringJoiner;
import java.util.function.Supplier;

/**
 * What the start of this process spent its time on. Phases overlap: natives are loaded beside Quarkus. A process starts
 * once, so there is one of these. Thread-safe.
 */
public final class StartPhases {
    private static final StartPhases PROCESS = new StartPhases();

    private final Instant processStart =
            Instant.ofEpochMilli(ManagementFactory.getRuntimeMXBean().getStartTime());
    private final Map<String, Duration> phases = new LinkedHashMap<>();

    private StartPhases() {}

    /** Those of this process. */
    public static StartPhases ofProcess() {
        return PROCESS;
    }

    /** Does a phase's work and keeps how long it took. */
    public <T> T during(String phase, Supplier<T> work) {
        Instant begin = Instant.now();
        T result = work.get();
        keep(phase, Duration.between(begin, Instant.now()));
        return result;
    }

    /** Does a phase's work that has no result. */
    public void during(String phase, Runnable work) {
        during(phase, () -> {
            work.run();
            return phase;
        });
    }

    /** Something was reached: what counts is the time since the process started. */
    public Duration reached(String milestone) {
        Duration since = Duration.between(processStart, Instant.now());
        keep(milestone, since);
        return since;
    }

    private synchronized void keep(String phase, Duration time) {
        // Who comes second only waits for who came first.
        phases.merge(phase, time, (a, b) -> a.compareTo(b) > 0 ? a : b);
    }

    /** All that is known so far, in the order in which it ended. */
    public synchronized Map<String, Duration> all() {
        return new LinkedHashMap<>(phases);
    }

    /** On one line, in ms. */
    @Override
    public String toString() {
        StringJoiner line = new StringJoiner(", ");
        all().forEach((phase, time) -> line.add(phase + " " + time.toMillis()));
        return line.toString();
    }
}
