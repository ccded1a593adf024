package dev.hydrallm.checkpoint.gguf;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * SentencePiece's BPE in the form that Hugging Face gives it: spaces become ▁, one stands before every text, characters
 * that are no pieces fall apart into bytes, and the pairs to merge follow from the pieces' scores: whatever two pieces
 * make a third, in the order of the third's score.
 *
 * @see <a href="https://github.com/huggingface/transformers/blob/main/src/transformers/convert_slow_tokenizer.py">
 *     generate_merges, LlamaConverter</a>
 */
final class SentencePieces {
    private static final String SPACE = "▁";
    /** Pieces are words. */
    private static final int LONGEST_PIECE = 256;

    private static final int MOST_MERGES = 1 << 22;

    private static final Comparator<Merge> ORDER = Comparator.comparingDouble(Merge::score)
            .thenComparingInt(merge -> length(merge.left()))
            .thenComparingInt(merge -> length(merge.right()))
            .reversed();

    private record Merge(String left, String right, double score) {}

    private SentencePieces() {}

    static ObjectNode tokenizer(GgufMetadata metadata) {
        if (metadata.flag("tokenizer.ggml.remove_extra_whitespaces").orElse(false)) {
            throw metadata.broken("tokenizer.ggml.remove_extra_whitespaces is not supported");
        }
        Vocabulary vocabulary = Vocabulary.of(metadata);
        boolean prefix = metadata.flag("tokenizer.ggml.add_space_prefix").orElse(true);
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        ArrayNode normalizers =
                json.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
        ArrayNode decoders = json.putObject("decoder").put("type", "Sequence").putArray("decoders");
        if (prefix) {
            normalizers.addObject().put("type", "Prepend").put("prepend", SPACE);
        }
        replace(normalizers, " ", SPACE);
        replace(decoders, SPACE, " ");
        decoders.addObject().put("type", "ByteFallback");
        decoders.addObject().put("type", "Fuse");
        if (prefix) {
            decoders.addObject()
                    .put("type", "Strip")
                    .put("content", " ")
                    .put("start", 1)
                    .put("stop", 0);
        }
        model(json.putObject("model"), metadata, vocabulary);
        return json;
    }

    private static void replace(ArrayNode steps, String from, String to) {
        steps.addObject()
                .put("type", "Replace")
                .put("content", to)
                .putObject("pattern")
                .put("String", from);
    }

    private static void model(ObjectNode model, GgufMetadata metadata, Vocabulary vocabulary) {
        model.put("type", "BPE").put("fuse_unk", true);
        boolean bytes = false;
        for (int id = 0; id < vocabulary.size(); id++) {
            if (vocabulary.is(id, Vocabulary.Type.UNKNOWN)) {
                model.put("unk_token", vocabulary.token(id));
            }
            bytes |= vocabulary.is(id, Vocabulary.Type.BYTE);
        }
        model.put("byte_fallback", bytes);
        vocabulary.writeTo(model);
        ArrayNode list = model.putArray("merges");
        for (Merge merge : merges(metadata, vocabulary)) {
            list.addArray().add(merge.left()).add(merge.right());
        }
    }

    private static List<Merge> merges(GgufMetadata metadata, Vocabulary vocabulary) {
        List<Double> scores = metadata.numbers("tokenizer.ggml.scores");
        if (scores.size() != vocabulary.size()) {
            throw metadata.broken(
                    scores.size() + " scores (tokenizer.ggml.scores) of " + vocabulary.size() + " tokens");
        }
        List<Merge> merges = new ArrayList<>();
        for (int id = 0; id < vocabulary.size(); id++) {
            if (vocabulary.is(id, Vocabulary.Type.NORMAL)) {
                merges.addAll(merges(metadata, vocabulary, vocabulary.token(id), scores.get(id)));
            }
            if (merges.size() > MOST_MERGES) {
                throw metadata.broken("more than " + MOST_MERGES + " pairs of tokens make a third, which no words do");
            }
        }
        merges.sort(ORDER);
        return merges;
    }

    /** The pairs that make a piece, those of frequent pieces first. */
    private static List<Merge> merges(GgufMetadata metadata, Vocabulary vocabulary, String piece, double score) {
        if (piece.length() > LONGEST_PIECE) {
            throw metadata.broken(
                    "a token of " + piece.length() + " characters; at most " + LONGEST_PIECE + " are read");
        }
        List<Merge> merges = new ArrayList<>();
        for (int i = 1; i < piece.length(); i++) {
            Merge merge = new Merge(piece.substring(0, i), piece.substring(i), score);
            if (!Character.isLowSurrogate(piece.charAt(i))
                    && vocabulary.containsNormal(merge.left())
                    && vocabulary.containsNormal(merge.right())) {
                merges.add(merge);
            }
        }
        merges.sort(Comparator.<Merge>comparingInt(merge -> vocabulary.id(merge.left()))
                .thenComparingInt(merge -> vocabulary.id(merge.right())));
        return merges;
    }

    private static int length(String piece) {
        return piece.codePointCount(0, piece.length());
    }
}
