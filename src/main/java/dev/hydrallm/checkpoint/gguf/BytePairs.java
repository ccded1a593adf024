package dev.hydrallm.checkpoint.gguf;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Byte-level BPE. How a text is split before pairs are merged stands in no file: {@code tokenizer.ggml.pre} names one of
 * the ways that llama.cpp knows.
 *
 * @see <a href="https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp">llm_tokenizer_bpe</a>
 */
final class BytePairs {
    /** Of the tokenizers of Llama 3 and Qwen2, which differ in how many digits stand together. */
    private static final String WORDS_AND_DIGITS =
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}%s|"
                    + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    /** Of GPT-2's tokenizer. */
    private static final String WORDS =
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

    private BytePairs() {}

    /** Llama 3's tokenizer adds BOS, the others do not. */
    static GgufTokenizer.BosDefault bos(GgufMetadata metadata) {
        return isLlama3(pre(metadata)) ? GgufTokenizer.BosDefault.ADDED : GgufTokenizer.BosDefault.NOT_ADDED;
    }

    static ObjectNode tokenizer(GgufMetadata metadata) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.set("pre_tokenizer", preTokenizer(metadata));
        if (isQwen2(pre(metadata))) {
            json.putObject("normalizer").put("type", "NFC");
        }
        json.set("decoder", byteLevel());
        Vocabulary vocabulary = Vocabulary.of(metadata);
        ObjectNode model = json.putObject("model")
                .put("type", "BPE")
                .put("fuse_unk", false)
                .put("byte_fallback", false)
                // A word that is a token is that token, even where no merges lead to it.
                .put("ignore_merges", isLlama3(pre(metadata)));
        vocabulary.writeTo(model);
        merges(model.putArray("merges"), metadata, vocabulary);
        return json;
    }

    private static String pre(GgufMetadata metadata) {
        return metadata.text("tokenizer.ggml.pre").orElse("default");
    }

    private static boolean isLlama3(String pre) {
        return pre.equals("llama-bpe") || pre.equals("llama3") || pre.equals("llama-v3");
    }

    private static boolean isQwen2(String pre) {
        return pre.equals("qwen2") || pre.equals("deepseek-r1-qwen");
    }

    private static ObjectNode preTokenizer(GgufMetadata metadata) {
        String pre = pre(metadata);
        return switch (pre) {
            case "llama-bpe", "llama3", "llama-v3" -> sequence(split(WORDS_AND_DIGITS.formatted("{1,3}")), byteLevel());
            case "qwen2", "deepseek-r1-qwen" -> sequence(split(WORDS_AND_DIGITS.formatted("")), byteLevel());
            case "smollm" -> sequence(step("Digits").put("individual_digits", true), split(WORDS), byteLevel());
            case "gpt-2" -> sequence(split(WORDS), byteLevel());
            case "default" ->
                sequence(
                        split("[\\p{P}\\$\\+<=>\\^~\\|]+"),
                        split(WORDS),
                        split("\\p{N}+"),
                        split("[0-9][0-9][0-9]"),
                        byteLevel());
            default ->
                throw metadata.broken("tokenizer.ggml.pre \"" + pre + "\" is not supported; llama-bpe, qwen2, smollm,"
                        + " gpt-2 and default are; put the model's own tokenizer.json beside the file");
        };
    }

    private static ObjectNode sequence(ObjectNode... steps) {
        ObjectNode sequence = step("Sequence");
        ArrayNode list = sequence.putArray("pretokenizers");
        for (ObjectNode each : steps) {
            list.add(each);
        }
        return sequence;
    }

    /** Matches and what stands between them become words. */
    private static ObjectNode split(String pattern) {
        ObjectNode split = step("Split").put("behavior", "Isolated").put("invert", false);
        split.putObject("pattern").put("Regex", pattern);
        return split;
    }

    /** Bytes as the characters that stand for them, without a pattern of its own. */
    private static ObjectNode byteLevel() {
        return step("ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true)
                .put("use_regex", false);
    }

    private static ObjectNode step(String type) {
        return JsonNodeFactory.instance.objectNode().put("type", type);
    }

    private static void merges(ArrayNode merges, GgufMetadata metadata, Vocabulary vocabulary) {
        for (String merge : metadata.texts("tokenizer.ggml.merges")) {
            int space = merge.indexOf(' ');
            String left = merge.substring(0, Math.max(0, space));
            String right = merge.substring(space + 1);
            if (!vocabulary.contains(left) || !vocabulary.contains(right) || !vocabulary.contains(left + right)) {
                throw metadata.broken("the merge \"" + merge + "\" is not of two tokens that make a third");
            }
            merges.addArray().add(left).add(right);
        }
        if (merges.isEmpty()) {
            throw metadata.broken("metadata tokenizer.ggml.merges is missing");
        }
    }
}
