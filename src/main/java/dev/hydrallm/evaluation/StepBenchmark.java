package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What one step costs against the number of nodes it verifies, at a fixed context. */
public final class StepBenchmark {
    private static final AcceptanceRule RULE = new AcceptanceRule.Greedy();

    private final Engine engine;
    private final int contextTokens;
    private final int repeats;

    /**
     * One line of the result; times are ms.
     *
     * @param verify one forward of the base over the nodes
     * @param draft forked layers over one accepted token, and the heads
     * @param step both, with all that Java does between
     * @param overhead share of the step's wall time outside the device's programs, 0 to 1
     * @param device of the same by the clock of a device that has one
     */
    public record Line(
            int nodes,
            Summary verify,
            Summary draft,
            Summary step,
            double overhead,
            @Nullable DeviceTimes device) {}

    /** From the first operator to the last, ms. */
    public record DeviceTimes(Summary verify, Summary draft) {}

    /**
     * A benchmark on one engine; uses its slot 0.
     *
     * @param contextTokens committed tokens under every step
     * @param repeats measured steps for each number of nodes
     */
    public StepBenchmark(Engine engine, int contextTokens, int repeats) {
        this.engine = engine;
        this.contextTokens = contextTokens;
        this.repeats = repeats;
    }

    /** The committed tokens that results are quoted for: 200, or half of a smaller context. */
    public static int usualContext(Engine engine) {
        return Math.min(200, engine.limits().contextLength() / 2);
    }

    /** Measures steps of a tree's first nodes, for each count that the tree has. */
    public List<Line> run(DraftTree tree, int... nodeCounts) {
        int[] prompt = new int[contextTokens];
        Arrays.setAll(prompt, i -> 3 + i % Math.max(1, engine.limits().vocabularySize() - 3));
        engine.prefill(
                new Engine.PrefillRequest(0, prompt, 0, RULE, Optional.of(new DraftShape(tree.depth(), tree.width()))));
        // The first round warms the JVM up: what it says is thrown away.
        round(tree, prompt, nodeCounts);
        return round(tree, prompt, nodeCounts);
    }

    private List<Line> round(DraftTree tree, int[] prompt, int... nodeCounts) {
        List<Line> lines = new ArrayList<>();
        for (int nodes : nodeCounts) {
            if (nodes <= tree.nodes()) {
                lines.add(measure(tree.first(nodes), prompt));
            }
        }
        return lines;
    }

    private Line measure(DraftTree tree, int[] prompt) {
        int[] tokens = Arrays.copyOf(prompt, tree.nodes());
        double[] verify = new double[repeats];
        double[] draft = new double[repeats];
        double[] step = new double[repeats];
        double[] deviceVerify = new double[repeats];
        double[] deviceDraft = new double[repeats];
        long busy = 0;
        for (int i = -repeats / 4; i < repeats; i++) {
            long busyBefore = engine.busyNanos();
            long device = engine.deviceNanos().orElse(0);
            long start = System.nanoTime();
            engine.verify(List.of(new Engine.TreeQuery(0, contextTokens, tokens, tree, RULE)));
            long verified = System.nanoTime();
            long deviceVerified = engine.deviceNanos().orElse(0);
            engine.commit(List.of(
                    new Engine.Acceptance(0, new int[] {0}, tokens[0], new DraftShape(tree.depth(), tree.width()))));
            long end = System.nanoTime();
            if (i >= 0) {
                verify[i] = (verified - start) / 1e6;
                draft[i] = (end - verified) / 1e6;
                step[i] = (end - start) / 1e6;
                busy += engine.busyNanos() - busyBefore;
                deviceVerify[i] = (deviceVerified - device) / 1e6;
                deviceDraft[i] = (engine.deviceNanos().orElse(0) - deviceVerified) / 1e6;
            }
        }
        double wall = Arrays.stream(step).sum() * 1e6;
        DeviceTimes device = engine.deviceNanos().isPresent()
                ? new DeviceTimes(Summary.of(deviceVerify), Summary.of(deviceDraft))
                : null;
        return new Line(tree.nodes(), Summary.of(verify), Summary.of(draft), Summary.of(step), 1 - busy / wall, device);
    }
}
