package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.checkpoint.Packer;
import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.testing.Gguf;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TinyGguf;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The demo model, quantized as llama.cpp does and written as GGUF, gives the tokens of a checkpoint that holds the same
 * numbers in single precision; the kernels read both as int8.
 */
@ParameterizedClass
@EnumSource(
        value = Kind.class,
        names = {"KERNELS", "TORCH"})
class GgufTokensTest {
    @Parameter
    private Kind kind = Kind.AUTO;

    private static final Path TOKENIZER = Path.of("models", "demo", "tokenizer.json");
    private static final int BLOCK = 32;
    /** Both packs hold the same bytes: this many show that they are run, more would show nothing else. */
    private static final int TOKENS = 20;

    private static final String CONFIG = """
            {"model_type": "llama", "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 768,
             "num_hidden_layers": 16, "num_attention_heads": 4, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
             "max_position_embeddings": 1024, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": true}
            """;
    private static final List<String> PROMPTS = List.of(
            "def fibonacci(n):\n",
            "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(",
            "import json\nimport os\n\n\ndef load(path):\n    ");

    @TempDir
    Path directory;

    /** A matrix's blocks, and the numbers that they stand for. */
    private record Blocks(int type, byte[] bytes, float[] values) {}

    private interface Quantizer {
        Blocks quantize(float[] weights);
    }

    @Test
    void eightBitBlocksGiveTheTokensOfTheirNumbers() throws IOException {
        assertSameTokens(GgufTokensTest::q8);
    }

    @Test
    void fourBitBlocksGiveTheTokensOfTheirNumbers() throws IOException {
        assertSameTokens(GgufTokensTest::q4);
    }

    private void assertSameTokens(Quantizer quantizer) throws IOException {
        Gguf gguf = TinyGguf.tokenizer(metadata(), TOKENIZER);
        Map<String, TestTensor> plain = new LinkedHashMap<>();
        DemoWeights.read().forEach((name, tensor) -> {
            if (tensor.shape().size() == 1) {
                gguf.tensor(TinyGguf.nameOf(name), tensor);
                plain.put(name, tensor);
                return;
            }
            plain.put(
                    name,
                    new TestTensor(
                            DType.F32,
                            tensor.shape(),
                            quantizer.quantize(tensor.values()).values()));
            float[] rows = name.contains("q_proj") || name.contains("k_proj")
                    ? TinyGguf.permuted(
                            tensor.values(), tensor.shape().getFirst().intValue(), 64)
                    : tensor.values();
            Blocks blocks = quantizer.quantize(rows);
            gguf.tensor(TinyGguf.nameOf(name), blocks.type(), tensor.shape(), blocks.bytes());
        });
        Path base = Files.createDirectories(directory.resolve("base"));
        TinyCheckpoint.safetensors(base.resolve("model.safetensors"), plain);
        TinyCheckpoint.text(base.resolve("config.json"), CONFIG);
        Files.copy(TOKENIZER, base.resolve("tokenizer.json"));
        Path file = gguf.write(directory.resolve("demo.gguf"));
        try (PackedModel expected = pack(base, "expected");
                PackedModel actual = pack(file, "actual")) {
            assertThat(actual.directory().resolve("weights.safetensors"))
                    .hasSameBinaryContentAs(expected.directory().resolve("weights.safetensors"));
            List<int[]> tokens = generate(actual);
            assertThat(tokens)
                    .hasSameSizeAs(PROMPTS)
                    .allSatisfy(ids -> assertThat(ids)
                            .hasSize(TOKENS)
                            .satisfies(some -> assertThat(java.util.stream.IntStream.of(some)
                                            .distinct()
                                            .count())
                                    .isGreaterThan(5)));
            assertThat(tokens).usingRecursiveComparison().isEqualTo(generate(expected));
        }
    }

    private static Gguf metadata() {
        return new Gguf()
                .put("general.architecture", "llama")
                .put("llama.embedding_length", 256)
                .put("llama.feed_forward_length", 768)
                .put("llama.block_count", 16)
                .put("llama.attention.head_count", 4)
                .put("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .put("llama.rope.dimension_count", 64)
                .put("llama.context_length", 1024);
    }

    private PackedModel pack(Path model, String to) throws IOException {
        Path pack = directory.resolve(to);
        try (Checkpoint checkpoint = Checkpoint.open(model, Optional.empty(), warning -> {})) {
            Quantization weights = Kinds.quantization(kind);
            Packer.Options options = new Packer.Options(weights, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, pack, (bytes, total) -> {});
        }
        return PackedModel.open(pack);
    }

    /** Greedily, each pack with its own tokenizer. */
    private List<int[]> generate(PackedModel pack) {
        List<int[]> answers = new ArrayList<>();
        try (Tokenizer tokenizer = Tokenizer.load(
                        pack.tokenizerFile(),
                        pack.manifest().bosId(),
                        pack.manifest().eosIds());
                ModelEngine engine = Kinds.load(pack, new EngineOptions(1, 0, 1, 256, 256), kind)) {
            for (String prompt : PROMPTS) {
                answers.add(Decoding.run(
                                engine,
                                tokenizer.encode(prompt),
                                DraftTree.ROOT_ONLY,
                                new AcceptanceRule.Greedy(),
                                Decoding.tokens(TOKENS))
                        .output());
            }
        }
        return answers;
    }

    /** {@code quantize_row_q8_0_ref}: scale = largest magnitude / 127, stored as a half. */
    private static Blocks q8(float[] weights) {
        ByteBuffer bytes = ByteBuffer.allocate(weights.length / BLOCK * 34).order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[weights.length];
        for (int block = 0; block < weights.length; block += BLOCK) {
            float scale = Math.abs(largest(weights, block)) / 127;
            short half = Float.floatToFloat16(scale);
            bytes.putShort(half);
            for (int i = block; i < block + BLOCK; i++) {
                int code = scale == 0 ? 0 : Math.round(weights[i] / scale);
                bytes.put((byte) code);
                values[i] = code * Float.float16ToFloat(half);
            }
        }
        return new Blocks(8, bytes.array(), values);
    }

    /** {@code quantize_row_q4_0_ref}: scale = the number of largest magnitude / −8, codes from 0 to 15 around 8. */
    private static Blocks q4(float[] weights) {
        ByteBuffer bytes = ByteBuffer.allocate(weights.length / BLOCK * 18).order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[weights.length];
        for (int block = 0; block < weights.length; block += BLOCK) {
            float scale = largest(weights, block) / -8;
            short half = Float.floatToFloat16(scale);
            bytes.putShort(half);
            int[] codes = new int[BLOCK];
            for (int i = 0; i < BLOCK; i++) {
                codes[i] = scale == 0 ? 8 : Math.min(15, (int) (weights[block + i] / scale + 8.5f));
                values[block + i] = (codes[i] - 8) * Float.float16ToFloat(half);
            }
            for (int i = 0; i < BLOCK / 2; i++) {
                bytes.put((byte) (codes[i] + 16 * codes[i + BLOCK / 2]));
            }
        }
        return new Blocks(2, bytes.array(), values);
    }

    private static float largest(float[] weights, int from) {
        float largest = 0;
        for (int i = from; i < from + BLOCK; i++) {
            largest = Math.abs(weights[i]) > Math.abs(largest) ? weights[i] : largest;
        }
        return largest;
    }
}
