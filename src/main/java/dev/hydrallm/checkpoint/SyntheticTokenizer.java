package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * A tokenizer for models that know no language: byte-level BPE whose first tokens are the bytes, the printable ones of ASCII
 * before the others, and whose further ones are words that no text is merged into.
 */
final class SyntheticTokenizer {
    private static final int BYTES = 256;
    private static final char SPACE = 'Ġ';

    private SyntheticTokenizer() {}

    /** A {@code tokenizer.json} of so many tokens. */
    static byte[] json(int vocabulary) {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("version", "1.0");
        json.set("pre_tokenizer", byteLevel().put("use_regex", true));
        json.set("decoder", byteLevel());
        ObjectNode model = json.putObject("model")
                .put("type", "BPE")
                .put("fuse_unk", false)
                .put("byte_fallback", false);
        ObjectNode tokens = model.putObject("vocab");
        for (int id = 0; id < vocabulary; id++) {
            tokens.put(id < BYTES ? String.valueOf(byteToken(id)) : SPACE + "w" + id, id);
        }
        model.putArray("merges");
        try {
            return new JsonMapper().writeValueAsBytes(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static ObjectNode byteLevel() {
        return JsonNodeFactory.instance
                .objectNode()
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true);
    }

    /** The characters that GPT-2 writes bytes as: printable ones as they are, then the others from 256 on. */
    private static char byteToken(int index) {
        int[] printable = {'!', '~', '¡', '¬', '®', 'ÿ'};
        int rest = index;
        for (int i = 0; i < printable.length; i += 2) {
            int count = printable[i + 1] - printable[i] + 1;
            if (rest < count) {
                return (char) (printable[i] + rest);
            }
            rest -= count;
        }
        return (char) (BYTES + rest);
    }
}
