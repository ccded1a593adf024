package dev.hydrallm.engine;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.SafetensorsFile;
import dev.hydrallm.model.TensorView;
import dev.hydrallm.testing.Shared;
import dev.hydrallm.testing.TestTensor;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.opentest4j.TestAbortedException;

/**
 * The demo model's weights under the names of its Hugging Face checkpoint: the raw ones where they are at hand, else what
 * its pack's codes stand for.
 */
final class DemoWeights {
    private static final int HIDDEN = 256;
    private static final int INTERMEDIATE = 768;
    private static final int LAYERS = 16;
    private static final int HEAD_DIM = 64;

    private DemoWeights() {}

    static Map<String, TestTensor> read() {
        try (SafetensorsFile file =
                SafetensorsFile.open(Shared.models().resolve("pycoder").resolve("model.safetensors"))) {
            Map<String, TestTensor> tensors = new LinkedHashMap<>();
            file.tensors().forEach(view -> tensors.put(view.name(), halves(view)));
            return tensors;
        } catch (TestAbortedException absent) {
            try (PackedModel demo = PackedModel.open(Path.of("models", "demo"))) {
                return ofPack(demo);
            }
        }
    }

    private static TestTensor halves(TensorView view) {
        var bytes = view.data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[(int) view.elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = Float.float16ToFloat(bytes.getShort(2 * i));
        }
        return new TestTensor(DType.F32, view.shape(), values);
    }

    private static Map<String, TestTensor> ofPack(PackedModel pack) {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        put(tensors, "model.embed_tokens.weight", HIDDEN, TinyPack.floats(pack, "embedding.weight"));
        for (int i = 0; i < LAYERS; i++) {
            String from = "layers." + i + ".";
            String to = "model.layers." + i + ".";
            float[] qkv = TinyPack.floats(pack, from + "qkv.weight");
            int third = qkv.length / 3;
            put(tensors, to + "self_attn.q_proj.weight", HIDDEN, apart(Arrays.copyOf(qkv, third)));
            put(tensors, to + "self_attn.k_proj.weight", HIDDEN, apart(Arrays.copyOfRange(qkv, third, 2 * third)));
            put(tensors, to + "self_attn.v_proj.weight", HIDDEN, Arrays.copyOfRange(qkv, 2 * third, 3 * third));
            put(tensors, to + "self_attn.o_proj.weight", HIDDEN, TinyPack.floats(pack, from + "o.weight"));
            float[] gateUp = TinyPack.floats(pack, from + "gate_up.weight");
            int half = gateUp.length / 2;
            put(tensors, to + "mlp.gate_proj.weight", HIDDEN, Arrays.copyOf(gateUp, half));
            put(tensors, to + "mlp.up_proj.weight", HIDDEN, Arrays.copyOfRange(gateUp, half, 2 * half));
            put(tensors, to + "mlp.down_proj.weight", INTERMEDIATE, TinyPack.floats(pack, from + "down.weight"));
            vector(tensors, to + "input_layernorm.weight", TinyPack.floats(pack, from + "attention_norm"));
            vector(tensors, to + "post_attention_layernorm.weight", TinyPack.floats(pack, from + "mlp_norm"));
        }
        vector(tensors, "model.norm.weight", TinyPack.floats(pack, "norm"));
        return tensors;
    }

    /** Rows 2j and 2j+1 of a head as rows j and j + headDim/2. */
    private static float[] apart(float[] pairs) {
        float[] apart = new float[pairs.length];
        for (int row = 0; row < pairs.length / HIDDEN; row++) {
            int within = row % HEAD_DIM;
            int to = row - within + within / 2 + within % 2 * HEAD_DIM / 2;
            System.arraycopy(pairs, row * HIDDEN, apart, to * HIDDEN, HIDDEN);
        }
        return apart;
    }

    private static void put(Map<String, TestTensor> tensors, String name, int columns, float[] values) {
        List<Long> shape = List.of((long) values.length / columns, (long) columns);
        tensors.put(name, new TestTensor(DType.F32, shape, values));
    }

    private static void vector(Map<String, TestTensor> tensors, String name, float[] values) {
        tensors.put(name, new TestTensor(DType.F32, List.of((long) values.length), values));
    }
}
