package dev.hydrallm.checkpoint.gguf;

import dev.hydrallm.model.ModelFormatException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A file's metadata by key. Asking for a value as what it is not is an error that names the key. */
public final class GgufMetadata {
    private final Path path;
    private final Map<String, Object> values;

    GgufMetadata(Path path, Map<String, Object> values) {
        this.path = path;
        this.values = Map.copyOf(values);
    }

    Optional<Long> integer(String key) {
        return value(key, Long.class, "a whole number");
    }

    Optional<Double> number(String key) {
        return value(key, Double.class, "a floating-point number");
    }

    Optional<String> text(String key) {
        return value(key, String.class, "a text");
    }

    Optional<Boolean> flag(String key) {
        return value(key, Boolean.class, "true or false");
    }

    /** Empty when absent, as the other lists are. */
    List<String> texts(String key) {
        return list(key, String.class, "texts");
    }

    List<Long> integers(String key) {
        return list(key, Long.class, "whole numbers");
    }

    List<Double> numbers(String key) {
        return list(key, Double.class, "floating-point numbers");
    }

    /** The chat template that comes with the tokenizer. */
    public Optional<String> chatTemplate() {
        return text("tokenizer.chat_template");
    }

    /** An error about this file. */
    ModelFormatException broken(String what) {
        return new ModelFormatException(path + ": " + what);
    }

    private <T> Optional<T> value(String key, Class<T> type, String asked) {
        Object value = values.get(key);
        if (value == null) {
            return Optional.empty();
        }
        if (!type.isInstance(value)) {
            throw broken("metadata " + key + " is " + described(value) + ", not " + asked);
        }
        return Optional.of(type.cast(value));
    }

    private <T> List<T> list(String key, Class<T> type, String asked) {
        Object value = values.getOrDefault(key, List.of());
        if (!(value instanceof List<?> members) || !members.stream().allMatch(type::isInstance)) {
            throw broken("metadata " + key + " is " + described(value) + ", not a list of " + asked);
        }
        return members.stream().map(type::cast).toList();
    }

    private static String described(Object value) {
        return switch (value) {
            case List<?> list -> "a list of " + list.size();
            case String text when text.length() > 100 -> "a text of " + text.length() + " characters";
            case String text -> "\"" + text + "\"";
            default -> value.toString();
        };
    }
}
