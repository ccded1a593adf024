package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.Speculation;
import java.util.ArrayList;
import java.util.List;

/** The process's memory over many steps: a native value that is not freed shows as growth. */
public final class SoakBenchmark {
    /** Resident memory after so many steps, MiB. */
    public record Line(int steps, double residentMebibytes) {}

    private SoakBenchmark() {}

    /** Runs {@code steps} steps and looks at the memory ten times. */
    public static List<Line> run(Engine engine, Speculation speculation, List<int[]> prompts, int steps) {
        List<Line> lines = new ArrayList<>();
        int done = 0;
        for (int look = 0; look <= 10; look++) {
            int target = (int) ((long) steps * look / 10);
            while (done < target) {
                done += SpeedBenchmark.steps(engine, speculation, prompts, target - done);
            }
            lines.add(new Line(done, ProcessMemory.resident()));
        }
        return lines;
    }
}
