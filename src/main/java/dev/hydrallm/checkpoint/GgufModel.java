package dev.hydrallm.checkpoint;

import dev.hydrallm.checkpoint.gguf.GgufConfig;
import dev.hydrallm.checkpoint.gguf.GgufFile;
import dev.hydrallm.checkpoint.gguf.GgufTensor;
import dev.hydrallm.checkpoint.gguf.GgufTokenizer;
import dev.hydrallm.model.ModelFormatException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A GGUF file, its tensors under the names and in the row order of the checkpoint that it was converted from. */
final class GgufModel implements BaseModel {
    private static final String SUFFIX = ".gguf";
    private static final Pattern LAYER = Pattern.compile("blk\\.(\\d+)\\.(\\w+)(\\.weight|\\.bias)");

    private static final Map<String, String> OUTSIDE_LAYERS = Map.of(
            "token_embd.weight", "model.embed_tokens.weight",
            "output_norm.weight", "model.norm.weight",
            "output.weight", "lm_head.weight");

    private static final Map<String, String> IN_LAYERS = Map.ofEntries(
            Map.entry("attn_norm", "input_layernorm"),
            Map.entry("attn_q", "self_attn.q_proj"),
            Map.entry("attn_k", "self_attn.k_proj"),
            Map.entry("attn_v", "self_attn.v_proj"),
            Map.entry("attn_output", "self_attn.o_proj"),
            Map.entry("attn_q_norm", "self_attn.q_norm"),
            Map.entry("attn_k_norm", "self_attn.k_norm"),
            Map.entry("ffn_norm", "post_attention_layernorm"),
            Map.entry("ffn_gate", "mlp.gate_proj"),
            Map.entry("ffn_up", "mlp.up_proj"),
            Map.entry("ffn_down", "mlp.down_proj"));

    private final GgufFile file;
    private final HfConfig config;
    private final Map<String, SourceTensor> tensors = new LinkedHashMap<>();

    private GgufModel(GgufFile file) {
        this.file = file;
        this.config = HfConfig.of(file.path(), GgufConfig.of(file));
        boolean pairs = GgufConfig.rotaryPairsAreAdjacent(file);
        file.tensors().values().forEach(tensor -> {
            if (!GgufConfig.isConfiguration(tensor.name())) {
                SourceTensor source = source(tensor, pairs);
                if (tensors.put(source.name(), source) != null) {
                    throw new ModelFormatException(file.path() + ": tensor " + source.name() + " stands twice");
                }
            }
        });
    }

    static GgufModel open(Path path) {
        GgufFile file = GgufFile.open(path);
        try {
            return new GgufModel(file);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private SourceTensor source(GgufTensor tensor, boolean rotaryPairs) {
        Matcher layer = LAYER.matcher(tensor.name());
        if (!layer.matches() || !IN_LAYERS.containsKey(layer.group(2))) {
            // A name that is unknown here stays, to be reported as unexpected.
            return new GgufSource(OUTSIDE_LAYERS.getOrDefault(tensor.name(), tensor.name()), tensor);
        }
        String part = Objects.requireNonNull(IN_LAYERS.get(layer.group(2)));
        SourceTensor source = new GgufSource("model.layers." + layer.group(1) + "." + part + layer.group(3), tensor);
        boolean rotated = part.equals("self_attn.q_proj") || part.equals("self_attn.k_proj");
        return rotaryPairs && rotated
                ? new SplitRotaryPairs(source, config.architecture().headDim())
                : source;
    }

    @Override
    public HfConfig config() {
        return config;
    }

    @Override
    public Map<String, SourceTensor> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    @Override
    public Path weights() {
        return file.path();
    }

    @Override
    public Path directory() {
        return Objects.requireNonNull(file.path().toAbsolutePath().getParent());
    }

    @Override
    public Optional<byte[]> embeddedTokenizer() {
        return GgufTokenizer.json(file.metadata());
    }

    @Override
    public Optional<String> embeddedChatTemplate() {
        return file.metadata().chatTemplate();
    }

    @Override
    public String name() {
        String name = Objects.requireNonNull(file.path().getFileName()).toString();
        return name.endsWith(SUFFIX) && name.length() > SUFFIX.length()
                ? name.substring(0, name.length() - SUFFIX.length())
                : name;
    }

    @Override
    public void close() {
        file.close();
    }
}
