package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.ModelFormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The configuration files beside a checkpoint's weights, and the values in them. */
final class JsonFiles {
    private static final long LONGEST = 64 << 20;
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    static {
        MAPPER.getFactory()
                .setStreamReadConstraints(
                        StreamReadConstraints.builder().maxNestingDepth(64).build());
    }

    private JsonFiles() {}

    /**
     * Reads a file that holds one object.
     *
     * @throws ModelFormatException when it is missing, too long or no object
     */
    static ObjectNode object(Path file) {
        try {
            if (!Files.isRegularFile(file)) {
                throw new ModelFormatException(file + ": no such file");
            }
            if (Files.size(file) > LONGEST) {
                throw new ModelFormatException(file + ": longer than " + LONGEST + " bytes");
            }
            if (MAPPER.readTree(Files.readAllBytes(file)) instanceof ObjectNode object) {
                return object;
            }
            throw new ModelFormatException(file + ": is no JSON object");
        } catch (JsonProcessingException e) {
            throw new ModelFormatException(file + ": is no valid JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new ModelFormatException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /** Whether a property is there and says something. */
    static boolean has(ObjectNode object, String name) {
        return object.hasNonNull(name);
    }

    /** A whole number. */
    static int integer(Path file, ObjectNode object, String name) {
        JsonNode value = object.path(name);
        if (!value.isInt()) {
            throw new ModelFormatException(file + ": " + name + " is "
                    + (value.isMissingNode() ? "missing" : value.toString() + ", not a whole number of 32 bits"));
        }
        return value.intValue();
    }

    static int integer(Path file, ObjectNode object, String name, int absent) {
        return has(object, name) ? integer(file, object, name) : absent;
    }

    static double number(Path file, ObjectNode object, String name, double absent) {
        return has(object, name) ? number(file, object, name) : absent;
    }

    static double number(Path file, ObjectNode object, String name) {
        JsonNode value = object.path(name);
        if (!value.isNumber()) {
            throw new ModelFormatException(file + ": " + name + " is "
                    + (value.isMissingNode() ? "missing" : value.toString() + ", not a number"));
        }
        return value.doubleValue();
    }

    /** A truth value; false when absent. */
    static boolean flag(Path file, ObjectNode object, String name) {
        JsonNode value = object.path(name);
        if (has(object, name) && !value.isBoolean()) {
            throw new ModelFormatException(file + ": " + name + " is " + value + ", neither true nor false");
        }
        return value.booleanValue();
    }

    /** Refuses any other value than the one that is built. */
    static void require(Path file, ObjectNode object, String name, String value) {
        if (has(object, name) && !object.path(name).asText().equals(value)) {
            throw new ModelFormatException(
                    file + ": " + name + " " + object.path(name) + " is not supported; only " + value + " is");
        }
    }

    /** The same for a number. */
    static void requireNumber(Path file, ObjectNode object, String name, double value) {
        if (number(file, object, name, value) != value) {
            throw new ModelFormatException(
                    file + ": " + name + " " + object.path(name) + " is not supported; only " + value + " is");
        }
    }

    /** One whole number or a list of them; empty when absent. */
    static List<Integer> integers(Path file, ObjectNode object, String name) {
        List<Integer> numbers = new ArrayList<>();
        if (has(object, name)) {
            JsonNode value = object.path(name);
            for (JsonNode each : value.isArray() ? value : List.of(value)) {
                if (!each.isInt()) {
                    throw new ModelFormatException(
                            file + ": " + name + " is " + value + ", not a whole number of 32 bits or a list of them");
                }
                numbers.add(each.intValue());
            }
        }
        return numbers;
    }
}
