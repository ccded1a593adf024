package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.TensorProblems;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Draft heads under the names of {@link Names}, whatever variant the file is: Medusa's flat file, Hydra's merged one, its
 * three dictionaries or pickled modules, Medusa v1.0's {@code medusa_head.} beside a base, or heads without a last matrix,
 * which share the base's.
 */
record DraftHeads(DraftLayout layout, Map<String, SourceTensor> tensors) {

    /** The names of a head's and a forked layer's tensors: those that a model with heads beside its base gives them. */
    static final class Names {
        /** The norm between the forked layers and the heads. */
        static final String NORM = "medusa_rms_norm.weight";

        /** Ours, see {@link DraftPart#NEXT_TOKEN}; only under this name, for others have no such tensor. */
        static final String NEXT_TOKEN = "medusa_next_token.weight";

        private Names() {}

        static String block(int head, int block, String part) {
            return "medusa_head." + head + "." + block + ".linear." + part;
        }

        /** The head's last matrix, which is counted on from its residual blocks. */
        static String lmHead(int head, int blocks) {
            return "medusa_head." + head + "." + blocks + ".weight";
        }

        static String layer(int layer, String tensor) {
            return "medusa_decoder_layers." + layer + "." + tensor;
        }
    }

    /** The tensors of every decoder layer, in the words of a Llama checkpoint. */
    private static final List<String> LAYER_TENSORS = List.of(
            "input_layernorm.weight",
            "self_attn.q_proj.weight",
            "self_attn.k_proj.weight",
            "self_attn.v_proj.weight",
            "self_attn.o_proj.weight",
            "post_attention_layernorm.weight",
            "mlp.gate_proj.weight",
            "mlp.up_proj.weight",
            "mlp.down_proj.weight");

    /** Those that some families add; whether the base's is one of these is seen when it is packed. */
    private static final List<String> FAMILY_TENSORS = List.of(
            "self_attn.q_proj.bias",
            "self_attn.k_proj.bias",
            "self_attn.v_proj.bias",
            "self_attn.o_proj.bias",
            "self_attn.q_norm.weight",
            "self_attn.k_norm.weight");

    /** What full models with heads beside them call these. */
    static final Pattern BESIDE_A_BASE = Pattern.compile("medusa_(head|rms_norm|decoder_layers|next_token)\\..*");

    private static final String INDEX = "(0|[1-9]\\d{0,3})";
    private static final Pattern PREFIX =
            Pattern.compile("(medusa_head|medusa_rms_norm|medusa_decoder_layers|medusa_next_token)\\.(.*)");
    private static final Pattern BLOCK = Pattern.compile(INDEX + "\\." + INDEX + "\\.linear\\.(weight|bias)");
    private static final Pattern LAST = Pattern.compile(INDEX + "\\." + INDEX + "\\.weight");
    private static final Pattern LAYER = Pattern.compile(INDEX + "\\.(.+)");
    private static final Pattern ROTARY = Pattern.compile(INDEX + "\\.self_attn\\.rotary_emb\\.inv_freq");

    /**
     * Finds the heads among tensors.
     *
     * @param file what the tensors came from, for errors
     * @throws ModelFormatException listing every tensor that is missing or unexpected
     */
    static DraftHeads of(Path file, Map<String, SourceTensor> tensors) {
        Reader reader = new Reader(file);
        tensors.forEach(reader::take);
        return reader.result();
    }

    /** Sorts tensors as they come; the counts are known at the end only. */
    private static final class Reader {
        private final Path file;
        private final Map<String, SourceTensor> found = new TreeMap<>();
        private final Map<Integer, Map<Integer, SourceTensor>> lastOfHead = new TreeMap<>();
        private final List<String> unexpected = new ArrayList<>();
        private int heads;
        private int blocks;
        private int layers;

        Reader(Path file) {
            this.file = file;
        }

        void take(String name, SourceTensor tensor) {
            Matcher prefixed = PREFIX.matcher(name);
            String part = prefixed.matches() ? prefixed.group(1) : "";
            String rest = prefixed.matches() ? prefixed.group(2) : name;
            boolean taken = switch (part) {
                case "medusa_head" -> takeHead(rest, tensor);
                case "medusa_rms_norm" -> takeNorm(rest, tensor);
                case "medusa_decoder_layers" -> takeLayer(rest, tensor);
                case "medusa_next_token" -> takeNextToken(rest, tensor);
                default -> takeHead(rest, tensor) || takeNorm(rest, tensor) || takeLayer(rest, tensor);
            };
            if (!taken) {
                unexpected.add(name);
            }
        }

        private boolean takeHead(String name, SourceTensor tensor) {
            Matcher block = BLOCK.matcher(name);
            if (block.matches()) {
                int head = Integer.parseInt(block.group(1));
                int index = Integer.parseInt(block.group(2));
                heads = Math.max(heads, head + 1);
                blocks = Math.max(blocks, index + 1);
                return put(Names.block(head, index, block.group(3)), tensor);
            }
            Matcher last = LAST.matcher(name);
            if (last.matches()) {
                int head = Integer.parseInt(last.group(1));
                heads = Math.max(heads, head + 1);
                lastOfHead.computeIfAbsent(head, each -> new HashMap<>()).put(Integer.parseInt(last.group(2)), tensor);
                return true;
            }
            return false;
        }

        private boolean takeNorm(String name, SourceTensor tensor) {
            return name.equals("weight") && put(Names.NORM, tensor);
        }

        private boolean takeNextToken(String name, SourceTensor tensor) {
            return name.equals("weight") && put(Names.NEXT_TOKEN, tensor);
        }

        private boolean takeLayer(String name, SourceTensor tensor) {
            Matcher layer = LAYER.matcher(name);
            if (layer.matches()
                    && (LAYER_TENSORS.contains(layer.group(2)) || FAMILY_TENSORS.contains(layer.group(2)))) {
                int index = Integer.parseInt(layer.group(1));
                layers = Math.max(layers, index + 1);
                return put(Names.layer(index, layer.group(2)), tensor);
            }
            // Rotary frequencies follow from the architecture; old files list them.
            return ROTARY.matcher(name).matches();
        }

        private boolean put(String name, SourceTensor tensor) {
            return found.put(name, tensor) == null;
        }

        DraftHeads result() {
            if (heads == 0) {
                throw new ModelFormatException(
                        file + ": holds no draft heads; its tensors are " + ModelFormatException.list(unexpected));
            }
            if (heads > DraftLayout.MOST_HEADS) {
                throw new ModelFormatException(
                        file + ": " + heads + " draft heads; at most " + DraftLayout.MOST_HEADS + " are supported");
            }
            boolean sharedLmHead = lastOfHead.isEmpty();
            lastOfHead.forEach((head, last) -> last.forEach((index, tensor) -> {
                if (index == blocks) {
                    found.put(Names.lmHead(head, blocks), tensor);
                } else {
                    unexpected.add(tensor.name());
                }
            }));
            if (layers == 0) {
                // The seed's trainer saves a norm that nothing uses when it forks no layer.
                found.remove(Names.NORM);
            }
            List<String> missing = new ArrayList<>();
            for (String name : expected(sharedLmHead)) {
                if (!found.containsKey(name)) {
                    missing.add(name);
                }
            }
            TensorProblems.check(file, missing, unexpected, List.of());
            try {
                Set<DraftPart> parts = found.containsKey(Names.NEXT_TOKEN) ? Set.of(DraftPart.NEXT_TOKEN) : Set.of();
                return new DraftHeads(new DraftLayout(heads, blocks, layers, sharedLmHead, parts), found);
            } catch (IllegalArgumentException e) {
                throw new ModelFormatException(file + ": " + e.getMessage(), e);
            }
        }

        private List<String> expected(boolean sharedLmHead) {
            List<String> names = new ArrayList<>();
            for (int head = 0; head < heads; head++) {
                for (int block = 0; block < blocks; block++) {
                    names.add(Names.block(head, block, "weight"));
                    names.add(Names.block(head, block, "bias"));
                }
                if (!sharedLmHead) {
                    names.add(Names.lmHead(head, blocks));
                }
            }
            for (int layer = 0; layer < layers; layer++) {
                for (String tensor : LAYER_TENSORS) {
                    names.add(Names.layer(layer, tensor));
                }
            }
            if (layers > 0) {
                names.add(Names.NORM);
            }
            return names;
        }
    }
}
