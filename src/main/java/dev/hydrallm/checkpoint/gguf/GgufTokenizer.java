package dev.hydrallm.checkpoint.gguf;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.ModelFormatException;
import java.util.List;
import java.util.Optional;

/**
 * A Hugging Face {@code tokenizer.json} made of a file's {@code tokenizer.ggml.*}: the kinds {@code gpt2}, byte-level
 * BPE, and {@code llama}, SentencePiece's BPE with byte fallback.
 */
public final class GgufTokenizer {
    private static final JsonMapper MAPPER = new JsonMapper();

    private GgufTokenizer() {}

    /**
     * The file's bytes; empty when the metadata hold no tokenizer.
     *
     * @throws ModelFormatException when it is incomplete, contradicts itself or is of an unsupported kind
     */
    public static Optional<byte[]> json(GgufMetadata metadata) {
        String kind = metadata.text("tokenizer.ggml.model").orElse("no_vocab");
        return switch (kind) {
            case "no_vocab", "none" -> Optional.empty();
            case "gpt2" ->
                Optional.of(bytes(complete(BytePairs.tokenizer(metadata), metadata, BytePairs.bos(metadata))));
            case "llama" ->
                Optional.of(bytes(complete(SentencePieces.tokenizer(metadata), metadata, BosDefault.ADDED)));
            default ->
                throw metadata.broken("tokenizer.ggml.model \"" + kind + "\" is not supported; gpt2 and llama are;"
                        + " put the model's own tokenizer.json beside the file");
        };
    }

    /** Whether a text begins with BOS where the metadata do not say. */
    enum BosDefault {
        ADDED,
        NOT_ADDED
    }

    private static ObjectNode complete(ObjectNode json, GgufMetadata metadata, BosDefault bosDefault) {
        Vocabulary vocabulary = Vocabulary.of(metadata);
        json.put("version", "1.0");
        addedTokens(json.putArray("added_tokens"), vocabulary);
        if (metadata.flag("tokenizer.ggml.add_eos_token").orElse(false)) {
            throw metadata.broken("tokenizer.ggml.add_eos_token: an end token after every prompt is not supported");
        }
        Optional<Long> bos = metadata.integer("tokenizer.ggml.bos_token_id");
        Optional<Boolean> asked = metadata.flag("tokenizer.ggml.add_bos_token");
        if (asked.orElse(false) && bos.isEmpty()) {
            throw metadata.broken("tokenizer.ggml.add_bos_token without a tokenizer.ggml.bos_token_id");
        }
        if (bos.isPresent() && asked.orElse(bosDefault == BosDefault.ADDED)) {
            json.set("post_processor", beginning(vocabulary, bos.get()));
        }
        return json;
    }

    /** Control tokens and the unknown one are special; those that a user defined are whole, but text. */
    private static void addedTokens(ArrayNode added, Vocabulary vocabulary) {
        for (int id = 0; id < vocabulary.size(); id++) {
            boolean special = vocabulary.is(id, Vocabulary.Type.CONTROL) || vocabulary.is(id, Vocabulary.Type.UNKNOWN);
            if (special || vocabulary.is(id, Vocabulary.Type.USER_DEFINED)) {
                added.addObject()
                        .put("id", id)
                        .put("content", vocabulary.token(id))
                        .put("single_word", false)
                        .put("lstrip", false)
                        .put("rstrip", false)
                        .put("normalized", false)
                        .put("special", special);
            }
        }
    }

    /** BOS before a text. */
    private static ObjectNode beginning(Vocabulary vocabulary, long bos) {
        String token = vocabulary.required("bos_token_id", bos);
        ObjectNode template = JsonNodeFactory.instance.objectNode().put("type", "TemplateProcessing");
        ArrayNode single = template.putArray("single");
        piece(single, "SpecialToken", token);
        piece(single, "Sequence", "A");
        ArrayNode pair = template.putArray("pair");
        for (String text : List.of("A", "B")) {
            piece(pair, "SpecialToken", token);
            piece(pair, "Sequence", text);
        }
        ObjectNode special =
                template.putObject("special_tokens").putObject(token).put("id", token);
        special.putArray("ids").add(bos);
        special.putArray("tokens").add(token);
        return template;
    }

    private static void piece(ArrayNode pieces, String kind, String id) {
        pieces.addObject().putObject(kind).put("id", id).put("type_id", 0);
    }

    private static byte[] bytes(ObjectNode json) {
        try {
            return MAPPER.writeValueAsBytes(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree can always be written", e);
        }
    }
}
