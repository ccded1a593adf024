package dev.hydrallm.engine;

import dev.hydrallm.testing.TestTensor;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;

/**
 * A base model computed as Hugging Face's own code does, from the tensors of the checkpoint: halves of a head are turned
 * against each other, projections are apart, biases and norms are used where there are some. It knows nothing of packs.
 */
final class HuggingFaceModel {
    private static final double EPSILON = 1e-5;
    private static final double THETA = 10_000;

    private final Map<String, TestTensor> tensors;
    private final int headDim;

    HuggingFaceModel(Map<String, TestTensor> tensors, int headDim) {
        this.tensors = tensors;
        this.headDim = headDim;
    }

    /** Logits after the last token. */
    double[] logits(int layers, int... tokens) {
        double[][] x = new double[tokens.length][];
        TestTensor embedding = tensor("model.embed_tokens.weight");
        int hidden = embedding.shape().getLast().intValue();
        for (int t = 0; t < tokens.length; t++) {
            x[t] = new double[hidden];
            for (int i = 0; i < hidden; i++) {
                x[t][i] = embedding.values()[tokens[t] * hidden + i];
            }
        }
        for (int i = 0; i < layers; i++) {
            layer(x, "model.layers." + i + ".");
        }
        return linear(norm(x[x.length - 1], "model.norm.weight"), "lm_head");
    }

    private void layer(double[][] x, String name) {
        double[][] q = new double[x.length][];
        double[][] k = new double[x.length][];
        double[][] v = new double[x.length][];
        for (int t = 0; t < x.length; t++) {
            double[] h = norm(x[t], name + "input_layernorm.weight");
            q[t] = turned(normedHeads(linear(h, name + "self_attn.q_proj"), name + "self_attn.q_norm.weight"), t);
            k[t] = turned(normedHeads(linear(h, name + "self_attn.k_proj"), name + "self_attn.k_norm.weight"), t);
            v[t] = linear(h, name + "self_attn.v_proj");
        }
        for (int t = 0; t < x.length; t++) {
            double[] attended = new double[q[t].length];
            int group = q[t].length / k[t].length;
            for (int head = 0; head < q[t].length / headDim; head++) {
                attend(q[t], k, v, t, head * headDim, head / group * headDim, attended);
            }
            add(x[t], linear(attended, name + "self_attn.o_proj"));
            double[] h = norm(x[t], name + "post_attention_layernorm.weight");
            double[] gate = linear(h, name + "mlp.gate_proj");
            double[] up = linear(h, name + "mlp.up_proj");
            for (int i = 0; i < gate.length; i++) {
                gate[i] *= up[i] / (1 + Math.exp(-gate[i]));
            }
            add(x[t], linear(gate, name + "mlp.down_proj"));
        }
    }

    private double[] normedHeads(double[] heads, String name) {
        if (!tensors.containsKey(name)) {
            return heads;
        }
        double[] normed = new double[heads.length];
        for (int at = 0; at < heads.length; at += headDim) {
            double[] head = Arrays.copyOfRange(heads, at, at + headDim);
            System.arraycopy(norm(head, name), 0, normed, at, headDim);
        }
        return normed;
    }

    /** x cos + rotate_half(x) sin. */
    private double[] turned(double[] heads, int position) {
        double[] turned = new double[heads.length];
        int half = headDim / 2;
        for (int i = 0; i < heads.length; i++) {
            int within = i % headDim;
            double angle = position * Math.pow(THETA, -2.0 * (within % half) / headDim);
            double other = within < half ? -heads[i + half] : heads[i - half];
            turned[i] = heads[i] * Math.cos(angle) + other * Math.sin(angle);
        }
        return turned;
    }

    private void attend(double[] q, double[][] k, double[][] v, int t, int at, int keyAt, double[] out) {
        double[] weights = new double[t + 1];
        double sum = 0;
        for (int s = 0; s <= t; s++) {
            for (int i = 0; i < headDim; i++) {
                weights[s] += q[at + i] * k[s][keyAt + i];
            }
            weights[s] = Math.exp(weights[s] / Math.sqrt(headDim));
            sum += weights[s];
        }
        for (int s = 0; s <= t; s++) {
            for (int i = 0; i < headDim; i++) {
                out[at + i] += weights[s] / sum * v[s][keyAt + i];
            }
        }
    }

    private double[] norm(double[] x, String name) {
        double square = 0;
        for (double value : x) {
            square += value * value / x.length;
        }
        double[] normed = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            normed[i] = x[i] / Math.sqrt(square + EPSILON) * tensor(name).values()[i];
        }
        return normed;
    }

    private double[] linear(double[] x, String name) {
        float[] weights = tensor(name + ".weight").values();
        TestTensor bias = tensors.get(name + ".bias");
        double[] y = new double[weights.length / x.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = bias == null ? 0 : bias.values()[i];
            for (int j = 0; j < x.length; j++) {
                y[i] += weights[i * x.length + j] * x[j];
            }
        }
        return y;
    }

    private static void add(double[] x, double[] more) {
        for (int i = 0; i < x.length; i++) {
            x[i] += more[i];
        }
    }

    private TestTensor tensor(String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }
}
