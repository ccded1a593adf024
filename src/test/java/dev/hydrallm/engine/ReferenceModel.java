package dev.hydrallm.engine;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.RopeScaling;
import dev.hydrallm.model.SlidingWindow;
import java.util.Arrays;
import java.util.function.UnaryOperator;

/** The same model in plain loops and double precision, one token after the other: what the engine must agree with. */
final class ReferenceModel {
    private final PackedModel model;
    private final Architecture shape;
    private final DraftLayout draft;
    private final double amplitude;
    /** What a product makes of its row before. */
    private final UnaryOperator<double[]> activations;

    ReferenceModel(PackedModel model) {
        this(model, model.architecture(), UnaryOperator.identity());
    }

    /** With each product's row as 8-bit codes of one scale (docs/adr/0002). */
    static ReferenceModel eightBit(PackedModel model) {
        return eightBit(model, model.architecture());
    }

    /** The same weights in a model of another architecture. */
    static ReferenceModel eightBit(PackedModel model, Architecture architecture) {
        return new ReferenceModel(model, architecture, ReferenceModel::rounded);
    }

    private ReferenceModel(PackedModel model, Architecture architecture, UnaryOperator<double[]> activations) {
        this.model = model;
        this.activations = activations;
        this.shape = architecture;
        this.draft = model.draft();
        RopeScaling scaling = shape.ropeScaling();
        this.amplitude = scaling == null ? 1 : scaling.amplitude();
    }

    /** The token behind each, the last one's being this. */
    static int[] behind(int[] tokens, int next) {
        int[] behind = Arrays.copyOfRange(tokens, 1, tokens.length + 1);
        behind[tokens.length - 1] = next;
        return behind;
    }

    /** Logits of the base, then of every head, after the tokens; the token that heads know behind them is 0. */
    double[][] logits(int... tokens) {
        return logits(tokens, 0);
    }

    /** Logits of the base, then of every head, after the tokens, behind which stands another one. */
    double[][] logits(int[] tokens, int next) {
        double[][] x = new double[tokens.length][];
        double[] embedding = doubles("embedding.weight");
        for (int t = 0; t < tokens.length; t++) {
            int from = tokens[t] * shape.hiddenSize();
            x[t] = Arrays.copyOfRange(embedding, from, from + shape.hiddenSize());
        }
        double[][] tap = x;
        for (int i = 0; i < shape.layers(); i++) {
            if (i == shape.layers() - draft.forkedLayers()) {
                tap = copy(x);
            }
            layer(x, "layers." + i, i);
        }
        double[] last = norm(x[x.length - 1], "norm");
        double[] state = last;
        if (draft.has(DraftPart.NEXT_TOKEN)) {
            int[] behind = behind(tokens, next);
            for (int t = 0; t < tokens.length; t++) {
                int from = behind[t] * shape.hiddenSize();
                double[] read =
                        linear(Arrays.copyOfRange(embedding, from, from + shape.hiddenSize()), "fork.next_token");
                if (draft.forkedLayers() > 0) {
                    tap[t] = plus(tap[t], read);
                } else if (t == tokens.length - 1) {
                    state = plus(last, read);
                }
            }
        }
        if (draft.forkedLayers() > 0) {
            for (int i = 0; i < draft.forkedLayers(); i++) {
                layer(tap, "fork." + i, shape.layers() - draft.forkedLayers() + i);
            }
            state = norm(tap[tap.length - 1], "fork.norm");
        }
        String lmHead = shape.tiedEmbeddings() ? "embedding" : "lm_head";
        double[][] logits = new double[1 + draft.heads()][];
        logits[0] = linear(last, lmHead);
        for (int k = 0; k < draft.heads(); k++) {
            double[] h = state;
            for (int j = 0; j < draft.residualLayers(); j++) {
                String block = "heads." + k + ".residual." + j;
                double[] z = plus(linear(h, block), doubles(block + ".bias"));
                h = plus(h, Arrays.stream(z).map(ReferenceModel::silu).toArray());
            }
            logits[1 + k] = linear(h, draft.sharedLmHead() ? lmHead : "heads." + k + ".lm_head");
        }
        return logits;
    }

    private void layer(double[][] x, String name, int index) {
        int d = shape.headDim();
        double[][] qkv = new double[x.length][];
        for (int t = 0; t < x.length; t++) {
            qkv[t] = linear(norm(x[t], name + ".attention_norm"), name + ".qkv");
            if (shape.has(AttentionPart.QKV_BIAS)) {
                qkv[t] = plus(qkv[t], doubles(name + ".qkv.bias"));
            }
            for (int head = 0; head < shape.heads() + shape.kvHeads(); head++) {
                if (shape.has(AttentionPart.QK_NORM)) {
                    double[] one = Arrays.copyOfRange(qkv[t], head * d, (head + 1) * d);
                    String gain = head < shape.heads() ? ".q_norm" : ".k_norm";
                    System.arraycopy(norm(one, name + gain), 0, qkv[t], head * d, d);
                }
                rotate(qkv[t], head * d, t);
            }
        }
        for (int t = x.length - 1; t >= 0; t--) {
            double[] o = new double[shape.attentionSize()];
            for (int head = 0; head < shape.heads(); head++) {
                int key = shape.heads() + head / (shape.heads() / shape.kvHeads());
                attend(qkv, t, firstSeen(t, index), head * d, key * d, (key + shape.kvHeads()) * d, o);
            }
            x[t] = plus(x[t], linear(o, name + ".o"));
            if (shape.has(AttentionPart.O_BIAS)) {
                x[t] = plus(x[t], doubles(name + ".o.bias"));
            }
            double[] gateUp = linear(norm(x[t], name + ".mlp_norm"), name + ".gate_up");
            double[] h = new double[shape.intermediateSize()];
            Arrays.setAll(h, i -> silu(gateUp[i]) * gateUp[i + h.length]);
            x[t] = plus(x[t], linear(h, name + ".down"));
        }
    }

    /** The farthest position that a layer of the base, or a fork of it, sees. */
    private int firstSeen(int position, int layer) {
        SlidingWindow window = shape.slidingWindow();
        return window == null || layer < window.firstLayer() ? 0 : Math.max(0, position - window.length() + 1);
    }

    private void rotate(double[] row, int at, int position) {
        for (int j = 0; j < shape.headDim() / 2; j++) {
            double angle = position * frequency(j);
            double a = row[at + 2 * j] * amplitude;
            double b = row[at + 2 * j + 1] * amplitude;
            row[at + 2 * j] = a * Math.cos(angle) - b * Math.sin(angle);
            row[at + 2 * j + 1] = a * Math.sin(angle) + b * Math.cos(angle);
        }
    }

    private double frequency(int pair) {
        RopeScaling scaling = shape.ropeScaling();
        return scaling == null
                ? Math.pow(shape.ropeTheta(), -2.0 * pair / shape.headDim())
                : scaling.frequencies(shape.ropeTheta(), shape.headDim(), shape.contextLength())[pair];
    }

    private void attend(double[][] qkv, int t, int first, int q, int k, int v, double[] o) {
        double[] weights = new double[t + 1];
        for (int s = first; s <= t; s++) {
            for (int i = 0; i < shape.headDim(); i++) {
                weights[s] += qkv[t][q + i] * qkv[s][k + i];
            }
            weights[s] = Math.exp(weights[s] / Math.sqrt(shape.headDim()));
        }
        double sum = Arrays.stream(weights).sum();
        for (int s = first; s <= t; s++) {
            for (int i = 0; i < shape.headDim(); i++) {
                o[q + i] += weights[s] / sum * qkv[s][v + i];
            }
        }
    }

    private double[] norm(double[] x, String name) {
        double[] gain = doubles(name);
        double square = Arrays.stream(x).map(v -> v * v).average().orElseThrow();
        double[] y = new double[x.length];
        Arrays.setAll(y, i -> x[i] / Math.sqrt(square + shape.normEpsilon()) * gain[i]);
        return y;
    }

    private double[] linear(double[] x, String name) {
        double[] w = doubles(name + ".weight");
        double[] row = activations.apply(x);
        double[] y = new double[w.length / x.length];
        for (int i = 0; i < w.length; i++) {
            y[i / x.length] += w[i] * row[i % x.length];
        }
        return y;
    }

    private static double[] rounded(double[] row) {
        double largest = Arrays.stream(row).map(Math::abs).max().orElseThrow();
        return largest == 0
                ? row
                : Arrays.stream(row)
                        .map(x -> Math.rint(x * 127 / largest) * largest / 127)
                        .toArray();
    }

    private double[] doubles(String name) {
        float[] floats = TinyPack.floats(model, name);
        double[] values = new double[floats.length];
        Arrays.setAll(values, i -> floats[i]);
        return values;
    }

    private static double[] plus(double[] a, double[] b) {
        double[] sum = new double[a.length];
        Arrays.setAll(sum, i -> a[i] + b[i]);
        return sum;
    }

    private static double[][] copy(double[][] rows) {
        return Arrays.stream(rows).map(double[]::clone).toArray(double[][]::new);
    }

    private static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }
}
