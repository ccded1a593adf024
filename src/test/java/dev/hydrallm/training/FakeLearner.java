package dev.hydrallm.training;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A learner that learns indeed: head k is a table of logits, one row for each present token, and its gradient that of softmax
 * regression. The base's state of a token is the token. AdamW as Loshchilov and Hutter have it.
 */
final class FakeLearner implements Learner {
    final int vocabulary;
    private final int heads;
    private final Map<String, Table> tables = new LinkedHashMap<>();
    /** Batches that the base read. */
    int reads;
    /** Tokens of the longest batch. */
    int longest;

    boolean closed;
    /** What update returns instead of changing anything. */
    double broken;

    private static final class Table {
        final Parameter parameter;
        final Map<Part, float[]> parts = new EnumMap<>(Part.class);
        final double[] gradient;

        Table(Parameter parameter) {
            int size = parameter.shape()[0] * parameter.shape()[1];
            this.parameter = parameter;
            for (Part part : Part.values()) {
                parts.put(part, new float[size]);
            }
            this.gradient = new double[size];
        }

        float[] part(Part part) {
            return Objects.requireNonNull(parts.get(part));
        }
    }

    private record Tokens(List<Sample> batch) implements States {
        @Override
        public void close() {}
    }

    FakeLearner(int vocabulary, int heads) {
        this.vocabulary = vocabulary;
        this.heads = heads;
        for (int k = 0; k < heads; k++) {
            String name = "medusa_head." + k + ".1.weight";
            tables.put(name, new Table(new Parameter(name, new int[] {vocabulary, vocabulary})));
        }
    }

    @Override
    public int heads() {
        return heads;
    }

    @Override
    public List<Parameter> parameters() {
        return tables.values().stream().map(table -> table.parameter).toList();
    }

    @Override
    public States read(List<Sample> batch) {
        reads++;
        longest = Math.max(
                longest,
                batch.stream().mapToInt(sample -> sample.tokens().length).sum());
        return new Tokens(batch);
    }

    @Override
    public int bytesPerToken() {
        return Integer.BYTES;
    }

    @Override
    public byte[] stored(States states) {
        List<Sample> batch = ((Tokens) states).batch();
        ByteBuffer bytes = ByteBuffer.allocate(batch.stream()
                                .mapToInt(sample -> sample.tokens().length)
                                .sum()
                        * Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN);
        batch.forEach(sample -> Arrays.stream(sample.tokens()).forEach(bytes::putInt));
        return bytes.array();
    }

    @Override
    public States restore(List<Sample> batch, byte[] stored) {
        ByteBuffer bytes = ByteBuffer.wrap(stored).order(ByteOrder.LITTLE_ENDIAN);
        List<Sample> read = new ArrayList<>();
        for (Sample sample : batch) {
            int[] tokens = new int[sample.tokens().length];
            Arrays.setAll(tokens, i -> bytes.getInt());
            read.add(new Sample(tokens, sample.labelled()));
        }
        return new Tokens(read);
    }

    @Override
    public List<HeadSums> learn(List<Sample> batch, States states, double[] weights) {
        return run(((Tokens) states).batch(), weights);
    }

    @Override
    public List<HeadSums> measure(List<Sample> batch, States states) {
        return run(((Tokens) states).batch(), new double[heads]);
    }

    private List<HeadSums> run(List<Sample> batch, double[] weights) {
        List<HeadSums> sums = new ArrayList<>();
        int k = 0;
        for (Table table : tables.values()) {
            long labels = 0;
            double loss = 0;
            long[] hits = new long[HeadSums.RANKS];
            for (Sample sample : batch) {
                for (int i = 0; i + 2 + k < sample.tokens().length; i++) {
                    if (sample.labelled()[i + 2 + k]) {
                        labels++;
                        loss += row(table, sample.tokens()[i], sample.tokens()[i + 2 + k], weights[k], hits);
                    }
                }
            }
            sums.add(new HeadSums(labels, loss, hits));
            k++;
        }
        return sums;
    }

    private double row(Table table, int token, int label, double weight, long[] hits) {
        int from = token * vocabulary;
        double sum = 0;
        int rank = 0;
        float[] values = table.part(Part.VALUE);
        for (int i = 0; i < vocabulary; i++) {
            sum += Math.exp(values[from + i]);
            rank += values[from + i] > values[from + label] || (values[from + i] == values[from + label] && i < label)
                    ? 1
                    : 0;
        }
        if (rank < hits.length) {
            hits[rank]++;
        }
        for (int i = 0; i < vocabulary; i++) {
            table.gradient[from + i] += weight * (Math.exp(values[from + i]) / sum - (i == label ? 1 : 0));
        }
        return Math.log(sum) - values[from + label];
    }

    @Override
    public double update(Update update) {
        double norm = Math.sqrt(tables.values().stream()
                .mapToDouble(
                        table -> Arrays.stream(table.gradient).map(g -> g * g).sum())
                .sum());
        for (Table table : tables.values()) {
            if (broken == 0) {
                change(table, update, Math.min(1, update.maxGradientNorm() / norm));
            }
            Arrays.fill(table.gradient, 0);
        }
        return broken == 0 ? norm : broken;
    }

    private static void change(Table table, Update update, double scale) {
        float[] values = table.part(Part.VALUE);
        float[] first = table.part(Part.FIRST_MOMENT);
        float[] second = table.part(Part.SECOND_MOMENT);
        for (int i = 0; i < values.length; i++) {
            double gradient = table.gradient[i] * scale;
            first[i] = (float) (update.beta1() * first[i] + (1 - update.beta1()) * gradient);
            second[i] = (float) (update.beta2() * second[i] + (1 - update.beta2()) * gradient * gradient);
            double mean = first[i] / (1 - Math.pow(update.beta1(), (double) update.number()));
            double square = second[i] / (1 - Math.pow(update.beta2(), (double) update.number()));
            values[i] = (float) (values[i] * (1 - update.learningRate() * update.weightDecay())
                    - update.learningRate() * mean / (Math.sqrt(square) + update.epsilon()));
        }
    }

    private float[] part(Parameter parameter, Part part) {
        Table table = tables.get(parameter.name());
        if (table == null) {
            throw new AssertionError(parameter.name());
        }
        return table.part(part);
    }

    @Override
    public void export(Parameter parameter, Part part, FloatBuffer into) {
        into.put(part(parameter, part));
    }

    @Override
    public void set(Parameter parameter, Part part, FloatBuffer from) {
        from.get(part(parameter, part));
    }

    @Override
    public void close() {
        closed = true;
    }

    /** All values, parameter by parameter. */
    float[] values() {
        FloatBuffer all = FloatBuffer.allocate(vocabulary * vocabulary * heads);
        parameters().forEach(parameter -> export(parameter, Part.VALUE, all));
        return all.array();
    }

    /** What heads that know nothing begin with. */
    static void zeros(Parameter parameter, FloatBuffer into) {
        while (into.hasRemaining()) {
            into.put(0);
        }
    }
}
