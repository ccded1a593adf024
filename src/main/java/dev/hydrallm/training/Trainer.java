package dev.hydrallm.training;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Trains heads: for every optimizer step it gives the learner the step's batches, weighs each head's loss by the labels of the whole step,
 * and has the parameters changed. A run that is killed goes on from its last checkpoint and comes to the same losses.
 *
 * <p>Not thread-safe: the thread that owns the learner runs it.
 */
public final class Trainer {
    /** So many steps in a row whose gradient is no number are no accident. */
    private static final int MOST_SKIPPED = 20;

    private final Learner learner;
    private final Samples samples;
    private final TrainingOptions options;
    private final RunFolder folder;
    private final Care care;
    private final Listener listener;
    private final BatchPlan plan;
    private final long steps;
    private final Snapshots snapshots;
    private final HeadLosses losses;
    private @Nullable HeldOut held;
    private @Nullable StateCache cache;

    /**
     * What does not change the result.
     *
     * @param loggingSteps steps of a line in the metrics
     * @param saveSteps steps between checkpoints
     * @param evalSteps steps between measurements of held-out samples; 0 for one after every epoch
     */
    public record Care(int loggingSteps, int saveSteps, long evalSteps) {
        /** @throws IllegalArgumentException naming what is out of its bounds */
        public Care {
            if (loggingSteps < 1) {
                throw new IllegalArgumentException("a line of the metrics takes 1 step or more, not " + loggingSteps);
            }
            if (saveSteps < 1) {
                throw new IllegalArgumentException("checkpoints are 1 step or more apart, not " + saveSteps);
            }
            if (evalSteps < 0) {
                throw new IllegalArgumentException("steps between measurements must not be negative: " + evalSteps);
            }
        }
    }

    /**
     * How far a run is.
     *
     * @param loss of the last step
     * @param top1 shares of the last step by head
     */
    public record Progress(
            long step, long steps, double loss, List<Double> top1, double tokensPerSecond, double secondsLeft) {}

    /** Told what happens. */
    public interface Listener {
        void progress(Progress progress);

        void notice(String line);
    }

    /** How a run came to its end. */
    public enum Outcome {
        FINISHED,
        /** Asked to stop; its state is saved. */
        STOPPED
    }

    /** Where the learner's first parameters come from. */
    @FunctionalInterface
    public interface Start {
        /** Puts a parameter's numbers, row by row. */
        void read(Learner.Parameter parameter, FloatBuffer into);
    }

    public Trainer(
            Learner learner, Samples samples, TrainingOptions options, RunFolder folder, Care care, Listener listener) {
        this.learner = learner;
        this.samples = samples;
        this.options = options;
        this.folder = folder;
        this.care = care;
        this.listener = listener;
        this.plan = BatchPlan.of(samples, options);
        this.steps = options.steps(plan);
        this.snapshots = new Snapshots(folder.path());
        this.losses = new HeadLosses(options, learner.heads());
    }

    /** Measures these now and then, which the heads do not learn from. */
    public Trainer holdingOut(Samples others) {
        this.held = new HeldOut(others, options.batchSize());
        return this;
    }

    /**
     * Keeps the base's states of the samples in a folder, and takes them from there.
     *
     * @param base all that they depend on beside the samples: the base's weights, what is tapped, how it computes
     */
    public Trainer keepingStates(Path where, String base) throws IOException {
        String key = base + "\n" + samples.fingerprint() + "\n" + learner.bytesPerToken();
        this.cache = StateCache.open(where, key, samples, learner.bytesPerToken(), listener::notice);
        return this;
    }

    /** All optimizer steps of the run. */
    public long steps() {
        return steps;
    }

    /**
     * Trains until the end or until it is to stop, which it does after the step at hand.
     *
     * @throws ArithmeticException when the loss is no number any more
     * @throws IOException when the folder cannot be written
     */
    public Outcome run(Start start, BooleanSupplier stop) throws IOException {
        Optional<Snapshots.State> saved = snapshots.load(learner, listener::notice);
        if (saved.isEmpty()) {
            for (Learner.Parameter parameter : learner.parameters()) {
                set(parameter, start);
            }
        }
        Snapshots.State state = saved.orElse(new Snapshots.State(0, 0, Window.EMPTY, 0));
        if (saved.isPresent()) {
            listener.notice("going on after step " + state.step() + " of " + steps + " in " + folder.path());
        }
        try (MetricsLog log = MetricsLog.after(folder.metrics(), state.step())) {
            return new Run(state, log).to(stop);
        } finally {
            if (cache != null) {
                cache.close();
            }
        }
    }

    private void set(Learner.Parameter parameter, Start start) throws IOException {
        long count = Arrays.stream(parameter.shape()).asLongStream().reduce(1, (a, b) -> a * b);
        FloatBuffer numbers = FloatBuffer.allocate(Math.toIntExact(count));
        start.read(parameter, numbers);
        learner.set(parameter, Learner.Part.VALUE, numbers.flip());
    }

    /** A run from a state on. */
    private final class Run {
        private final MetricsLog log;
        private final long first;
        private final long begun = System.nanoTime();
        private long step;
        private int skipped;
        private Window open;
        private double gradientNorm;
        private long saved;

        Run(Snapshots.State state, MetricsLog log) {
            this.log = log;
            this.first = state.step();
            this.step = state.step();
            this.saved = state.step();
            this.skipped = state.skipped();
            this.open = state.open();
        }

        Outcome to(BooleanSupplier stop) throws IOException {
            while (step < steps && !stop.getAsBoolean()) {
                step++;
                learn();
                if (step % care.loggingSteps() == 0 || step == steps) {
                    logTraining();
                }
                if (held != null && isEvaluated()) {
                    logEvaluation(held);
                }
                if (step % care.saveSteps() == 0) {
                    save();
                }
            }
            if (saved < step) {
                save();
            }
            TrainingReport.write(folder);
            return step < steps ? Outcome.STOPPED : Outcome.FINISHED;
        }

        private boolean isEvaluated() {
            long every = care.evalSteps() > 0 ? care.evalSteps() : plan.stepsPerEpoch();
            return step % every == 0 || step == steps;
        }

        private void save() throws IOException {
            snapshots.save(learner, step, skipped, open);
            saved = step;
            TrainingReport.write(folder);
        }

        private void learn() {
            long start = System.nanoTime();
            List<int[]> places = plan.step(step);
            List<List<Sample>> batches = places.stream().map(Trainer.this::read).toList();
            double[] weights = losses.weights(batches);
            List<HeadSums> sums = List.of();
            long tokens = 0;
            for (int i = 0; i < batches.size(); i++) {
                List<Sample> batch = batches.get(i);
                try (Learner.States states = states(places.get(i), batch)) {
                    List<HeadSums> more = learner.learn(batch, states, weights);
                    sums = sums.isEmpty() ? more : Window.sum(sums, more);
                }
                tokens += batch.stream()
                        .mapToLong(sample -> sample.tokens().length)
                        .sum();
            }
            gradientNorm = learner.update(update());
            skipped = Double.isFinite(gradientNorm) ? 0 : skipped + 1;
            if (skipped >= MOST_SKIPPED) {
                throw new ArithmeticException("the gradient was no number for " + skipped + " steps up to step " + step
                        + ": begin anew with a lower --learning-rate or another --output-dir");
            }
            open = open.plus(tokens, (System.nanoTime() - start) / 1e9, sums);
            tell(sums, tokens, (System.nanoTime() - start) / 1e9);
        }

        private Learner.Update update() {
            return new Learner.Update(
                    step,
                    rate(),
                    TrainingOptions.BETA1,
                    TrainingOptions.BETA2,
                    TrainingOptions.EPSILON,
                    options.weightDecay(),
                    options.maxGradientNorm());
        }

        private double rate() {
            return options.learningRate() * options.schedule().share(step, steps, options.warmupRatio());
        }

        private void tell(List<HeadSums> sums, long tokens, double seconds) {
            double each = (System.nanoTime() - begun) / 1e9 / (step - first);
            listener.progress(new Progress(
                    step,
                    steps,
                    losses.sum(sums),
                    sums.stream().map(head -> head.top(1)).toList(),
                    tokens / Math.max(1e-9, seconds),
                    each * (steps - step)));
        }

        private void logTraining() throws IOException {
            log.add(new StepMetrics(
                            step,
                            plan.epochs(step),
                            losses.sum(open.heads()),
                            rate(),
                            gradientNorm,
                            open.tokens(),
                            open.seconds(),
                            open.heads())
                    .json());
            open = Window.EMPTY;
        }

        private void logEvaluation(HeldOut others) throws IOException {
            List<HeadSums> sums = others.measure(learner);
            ObjectNode line = JsonNodeFactory.instance.objectNode();
            line.put("step", step);
            line.put("eval_loss", losses.sum(sums));
            StepMetrics.putHeads(line, "eval_", sums);
            log.add(line);
        }
    }

    private Learner.States states(int[] places, List<Sample> batch) {
        return cache == null ? learner.read(batch) : cache.states(learner, places, batch);
    }

    private List<Sample> read(int[] places) {
        return Arrays.stream(places).mapToObj(samples::get).toList();
    }
}
