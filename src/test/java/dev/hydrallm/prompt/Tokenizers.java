package dev.hydrallm.prompt;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Tokenizers for tests: the demo model's, byte-level, and a small one in SentencePiece's manner with byte fallback. */
public final class Tokenizers {
    /** The demo model. */
    public static final Path DEMO = Path.of("models", "demo");

    private static final JsonMapper JSON = new JsonMapper();

    private Tokenizers() {}

    /** Which tokens a tokenizer puts before a text by itself. */
    enum Beginning {
        BOS,
        NOTHING
    }

    /** The demo model's own: byte-level, adds BOS. */
    public static Tokenizer demo() {
        return Tokenizer.load(DEMO.resolve("tokenizer.json"), 1, List.of(2));
    }

    /** The demo model's, made to add BOS or not. */
    static Tokenizer demo(Beginning beginning, @Nullable Integer bosId) {
        try {
            ObjectNode json =
                    (ObjectNode) JSON.readTree(DEMO.resolve("tokenizer.json").toFile());
            return load(json, beginning, bosId);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The demo model's with more special tokens, which are no part of its vocabulary. */
    public static Tokenizer demoWith(String... specials) {
        try {
            ObjectNode json =
                    (ObjectNode) JSON.readTree(DEMO.resolve("tokenizer.json").toFile());
            ArrayNode added = (ArrayNode) json.path("added_tokens");
            for (int i = 0; i < specials.length; i++) {
                added.addObject()
                        .put("id", 4096 + i)
                        .put("content", specials[i])
                        .put("special", true)
                        .put("single_word", false)
                        .put("lstrip", false)
                        .put("rstrip", false)
                        .put("normalized", false);
            }
            return load(json, Beginning.BOS, 1);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** In the manner of Llama 2: a mark for spaces, one before every text, and bytes for unknown characters. */
    public static Tokenizer sentencePiece() {
        ObjectNode json = JSON.createObjectNode();
        ArrayNode added = json.putArray("added_tokens");
        ObjectNode model = json.putObject("model").put("type", "BPE").put("unk_token", "<unk>");
        model.put("fuse_unk", true).put("byte_fallback", true);
        ObjectNode vocabulary = model.putObject("vocab");
        for (String special : List.of("<unk>", "<s>", "</s>")) {
            int id = vocabulary.size();
            vocabulary.put(special, id);
            added.addObject()
                    .put("id", id)
                    .put("content", special)
                    .put("special", true)
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false);
        }
        for (int b = 0; b < 256; b++) {
            vocabulary.put("<0x%02X>".formatted(b), vocabulary.size());
        }
        for (String piece : List.of("▁", "h", "e", "l", "o", "s", "</", ">", "<", "/", "é", "▁h", "el", "▁hel", "lo")) {
            vocabulary.put(piece, vocabulary.size());
        }
        ArrayNode merges = model.putArray("merges");
        List.of("▁ h", "e l", "▁h el", "l o", "< /").forEach(merges::add);
        ArrayNode normalizers =
                json.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
        normalizers.addObject().put("type", "Prepend").put("prepend", "▁");
        normalizers
                .addObject()
                .put("type", "Replace")
                .put("content", "▁")
                .putObject("pattern")
                .put("String", " ");
        ArrayNode decoders = json.putObject("decoder").put("type", "Sequence").putArray("decoders");
        decoders.addObject()
                .put("type", "Replace")
                .put("content", " ")
                .putObject("pattern")
                .put("String", "▁");
        decoders.addObject().put("type", "ByteFallback");
        decoders.addObject().put("type", "Fuse");
        decoders.addObject()
                .put("type", "Strip")
                .put("content", " ")
                .put("start", 1)
                .put("stop", 0);
        return load(json.put("version", "1.0"), Beginning.BOS, 1);
    }

    private static Tokenizer load(ObjectNode json, Beginning beginning, @Nullable Integer bosId) {
        if (beginning == Beginning.NOTHING) {
            json.putNull("post_processor");
        } else {
            json.set("post_processor", template());
        }
        try {
            Path file = Files.createTempFile("tokenizer", ".json");
            Files.write(file, JSON.writeValueAsBytes(json));
            Tokenizer tokenizer = Tokenizer.load(file, bosId, List.of(2));
            Files.delete(file);
            return tokenizer;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static JsonNode template() {
        try {
            return JSON.readTree("""
                    {"type": "TemplateProcessing",
                     "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                     "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                     "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}""");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
