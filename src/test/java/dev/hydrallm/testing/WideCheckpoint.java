package dev.hydrallm.testing;

import dev.hydrallm.model.DType;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** {@link TinyCheckpoint} with rows long enough for groups of 4-bit weights: 64 columns, and 128 in the wide part. */
public final class WideCheckpoint {
    public static final int HIDDEN = 64;
    public static final int INTERMEDIATE = 128;

    private static final String CONFIG = """
            {"model_type": "llama", "vocab_size": 16, "hidden_size": 64, "intermediate_size": 128,
             "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": false}
            """;

    private WideCheckpoint() {}

    /** Writes a base and, beside it, two draft heads on a forked layer. */
    public static Path writeHeads(Path directory, DType dtype) {
        writeBase(directory.resolve("base"), dtype);
        return heads(directory, List.of(TinyCheckpoint.medusa(dtype, 2, 1), TinyCheckpoint.forked(dtype, 1)), 1);
    }

    /** Writes a base and, beside it, two draft heads that end in its language-model head. */
    public static Path writeSharingHeads(Path directory, DType dtype) {
        writeBase(directory.resolve("base"), dtype);
        return heads(directory, List.of(TinyCheckpoint.residuals(dtype, 2, 1)), 0);
    }

    private static Path heads(Path directory, List<Map<String, TestTensor>> tensors, int forked) {
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, forked);
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), widened(TinyCheckpoint.join(tensors)));
        return heads;
    }

    /** Writes a whole model's directory. */
    public static Path writeBase(Path directory, DType dtype) {
        return writeBase(directory, dtype, Map.of());
    }

    /** Writes a whole model's directory with some tensors replaced by others. */
    public static Path writeBase(Path directory, DType dtype, Map<String, TestTensor> replaced) {
        Map<String, TestTensor> tensors = widened(TinyCheckpoint.base(dtype));
        tensors.putAll(replaced);
        TinyCheckpoint.writeBase(directory, tensors);
        TinyCheckpoint.text(directory.resolve("config.json"), CONFIG);
        return directory;
    }

    /** A tensor's numbers by its name in {@link TinyCheckpoint}: below an eighth, as a model's are that computes. */
    public static TestTensor tensor(String name, TestTensor tiny) {
        long[] shape = tiny.shape().stream().mapToLong(WideCheckpoint::widened).toArray();
        TestTensor tensor = TestTensor.random(tiny.dtype(), name.hashCode(), shape);
        for (int i = 0; i < tensor.values().length; i++) {
            tensor.values()[i] /= 32;
        }
        return tensor;
    }

    private static Map<String, TestTensor> widened(Map<String, TestTensor> tensors) {
        Map<String, TestTensor> wide = new LinkedHashMap<>();
        tensors.forEach((name, tiny) -> wide.put(name, tensor(name, tiny)));
        return wide;
    }

    private static long widened(long length) {
        return switch ((int) length) {
            case TinyCheckpoint.HIDDEN -> HIDDEN;
            case TinyCheckpoint.INTERMEDIATE -> INTERMEDIATE;
            case TinyCheckpoint.HEAD_DIM -> HIDDEN / 2;
            case TinyCheckpoint.VOCAB -> TinyCheckpoint.VOCAB;
            default -> throw new IllegalArgumentException("no length of a tiny checkpoint: " + length);
        };
    }
}
