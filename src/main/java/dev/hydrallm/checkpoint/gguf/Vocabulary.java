package dev.hydrallm.checkpoint.gguf;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.ModelFormatException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The tokens of a tokenizer by id, each with its type. */
final class Vocabulary {
    private static final String KEY = "tokenizer.ggml.";

    private final GgufMetadata metadata;
    private final List<String> tokens;
    private final List<Type> types;
    private final Map<String, Integer> ids = new HashMap<>();

    /** {@code llama_token_type} of llama.cpp. */
    enum Type {
        UNDEFINED(0),
        NORMAL(1),
        UNKNOWN(2),
        CONTROL(3),
        USER_DEFINED(4),
        UNUSED(5),
        BYTE(6);

        private final long number;

        Type(long number) {
            this.number = number;
        }

        private static Optional<Type> of(long number) {
            return Arrays.stream(values()).filter(type -> type.number == number).findFirst();
        }
    }

    private Vocabulary(GgufMetadata metadata) {
        this.metadata = metadata;
        this.tokens = metadata.texts(KEY + "tokens");
        this.types = metadata.integers(KEY + "token_type").stream()
                .map(number -> Type.of(number)
                        .orElseThrow(() ->
                                metadata.broken("metadata " + KEY + "token_type holds the unknown type " + number)))
                .toList();
        if (tokens.isEmpty()) {
            throw metadata.broken("metadata " + KEY + "tokens is missing");
        }
        if (!types.isEmpty() && types.size() != tokens.size()) {
            throw metadata.broken(types.size() + " token types of " + tokens.size() + " tokens");
        }
        for (int id = 0; id < tokens.size(); id++) {
            if (ids.put(tokens.get(id), id) != null) {
                throw metadata.broken("the token \"" + tokens.get(id) + "\" stands twice");
            }
        }
    }

    /** @throws ModelFormatException when there are no tokens, or one twice, or not as many types */
    static Vocabulary of(GgufMetadata metadata) {
        return new Vocabulary(metadata);
    }

    int size() {
        return tokens.size();
    }

    String token(int id) {
        return tokens.get(id);
    }

    boolean is(int id, Type type) {
        return types.isEmpty() ? type == Type.NORMAL : types.get(id) == type;
    }

    boolean contains(String token) {
        return ids.containsKey(token);
    }

    /** Whether a text is a token that texts are made of. */
    boolean containsNormal(String token) {
        Integer id = ids.get(token);
        return id != null && is(id, Type.NORMAL);
    }

    /** The place of a token that is there. */
    int id(String token) {
        return ids.getOrDefault(token, -1);
    }

    /** The token that a key names. */
    String required(String key, long id) {
        if (id < 0 || id >= tokens.size()) {
            throw metadata.broken("metadata " + KEY + key + " is " + id + ", outside the " + tokens.size() + " tokens");
        }
        return tokens.get((int) id);
    }

    /** Writes all of it as the vocabulary of a model. */
    void writeTo(ObjectNode model) {
        ObjectNode vocabulary = model.putObject("vocab");
        for (int id = 0; id < tokens.size(); id++) {
            vocabulary.put(tokens.get(id), id);
        }
    }
}
