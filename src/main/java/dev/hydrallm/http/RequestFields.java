package dev.hydrallm.http;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The fields of a JSON object, read one by one with their bounds. What nobody asked for is an error in the end, so that
 * no field is silently ignored. A field that is null counts as absent. Not thread-safe.
 */
final class RequestFields {
    private static final ObjectReader JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build()
            .reader();

    private final ObjectNode object;
    private final String path;
    private final Set<String> known = new HashSet<>();

    private RequestFields(ObjectNode object, String path) {
        this.object = object;
        this.path = path;
    }

    /**
     * Parses a request's body.
     *
     * @throws ApiException if it is too long, not UTF-8, not JSON or no object
     */
    static RequestFields parse(byte[] body) {
        if (body.length > BodyLimit.BYTES) {
            throw BodyLimit.tooLong();
        }
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(body))
                    .toString();
            if (JSON.readTree(text) instanceof ObjectNode object) {
                return new RequestFields(object, "");
            }
            throw ApiException.badRequest("the body must be a JSON object");
        } catch (CharacterCodingException e) {
            throw ApiException.badRequest("the body is not valid UTF-8");
        } catch (JacksonException e) {
            throw ApiException.badRequest("the body is not valid JSON: " + e.getOriginalMessage());
        }
    }

    /** The field as it is. */
    Optional<JsonNode> value(String name) {
        known.add(name);
        return Optional.ofNullable(object.get(name)).filter(value -> !value.isNull());
    }

    Optional<Integer> integer(String name, int least, int most) {
        return value(name).map(value -> {
            if (!value.isIntegralNumber()) {
                throw wrong(name, "must be an integer", value);
            }
            if (!value.canConvertToInt() || value.intValue() < least || value.intValue() > most) {
                throw wrong(name, "must be within " + least + " and " + most, value);
            }
            return value.intValue();
        });
    }

    Optional<Long> longInteger(String name) {
        return value(name).map(value -> {
            if (!value.isIntegralNumber() || !value.canConvertToLong()) {
                throw wrong(name, "must be an integer of 64 bits", value);
            }
            return value.longValue();
        });
    }

    double number(String name, double least, double most, double otherwise) {
        return value(name)
                .map(value -> {
                    if (!value.isNumber()) {
                        throw wrong(name, "must be a number", value);
                    }
                    if (!(value.doubleValue() >= least && value.doubleValue() <= most)) {
                        throw wrong(name, "must be within " + least + " and " + most, value);
                    }
                    return value.doubleValue();
                })
                .orElse(otherwise);
    }

    boolean flag(String name) {
        return value(name)
                .map(value -> {
                    if (!value.isBoolean()) {
                        throw wrong(name, "must be true or false", value);
                    }
                    return value.booleanValue();
                })
                .orElse(false);
    }

    Optional<String> string(String name) {
        return value(name).map(value -> text(name, value));
    }

    /** A string, or a list of at most so many; none of them empty or longer than {@code longest}. */
    List<String> strings(String name, int most, int longest) {
        List<String> strings = new ArrayList<>();
        value(name).ifPresent(value -> {
            if (value.size() > most) {
                throw wrong(name, "must hold at most " + most + " strings", value);
            }
            for (JsonNode each : value.isArray() ? value : List.of(value)) {
                String text = text(name, each);
                if (text.isEmpty() || text.length() > longest) {
                    throw wrong(name, "must hold strings of 1 to " + longest + " characters", each);
                }
                strings.add(text);
            }
        });
        return strings;
    }

    /** A list of token ids below {@code vocabulary}. */
    int[] tokenIds(String name, JsonNode list, int vocabulary) {
        if (!list.isArray() || list.isEmpty()) {
            throw wrong(name, "must be a list of token ids", list);
        }
        int[] ids = new int[list.size()];
        for (int i = 0; i < ids.length; i++) {
            JsonNode id = list.get(i);
            if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0 || id.intValue() >= vocabulary) {
                throw wrong(name, "must hold token ids within 0 and " + (vocabulary - 1), id);
            }
            ids[i] = id.intValue();
        }
        return ids;
    }

    /** A list of objects. */
    Optional<List<RequestFields>> objects(String name, int most) {
        return value(name).map(value -> {
            if (!value.isArray() || value.isEmpty() || value.size() > most) {
                throw wrong(name, "must be a list of 1 to " + most + " objects", value);
            }
            List<RequestFields> objects = new ArrayList<>();
            for (int i = 0; i < value.size(); i++) {
                objects.add(object(name + "[" + i + "]", value.get(i)));
            }
            return objects;
        });
    }

    /** An object inside this one. */
    RequestFields object(String name, JsonNode value) {
        if (!(value instanceof ObjectNode inner)) {
            throw wrong(name, "must be an object", value);
        }
        return new RequestFields(inner, path + name + ".");
    }

    /** Refuses a field that is known but not supported, unless its value asks for nothing. */
    void unsupported(String name, Predicate<JsonNode> asksForNothing) {
        value(name).filter(asksForNothing.negate()).ifPresent(value -> {
            throw ApiException.unsupported(path + name, "'" + path + name + "' is not supported by this server");
        });
    }

    /** Refuses what no call asked for. */
    void end() {
        object.fieldNames().forEachRemaining(name -> {
            if (!known.contains(name)) {
                throw ApiException.badField(path + name, "there is no field '" + path + name + "'");
            }
        });
    }

    /** A string inside the field of that name. */
    String text(String name, JsonNode value) {
        if (!value.isTextual()) {
            throw wrong(name, "must be a string", value);
        }
        String text = value.textValue();
        if (text.codePoints().anyMatch(point -> point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE)) {
            throw wrong(name, "holds half a character (an unpaired surrogate)", value);
        }
        return text;
    }

    /** The field is required. */
    ApiException missing(String name) {
        return ApiException.badField(path + name, "'" + path + name + "' is missing");
    }

    /** The error of a field, with the beginning of its value. */
    ApiException wrong(String name, String what, JsonNode value) {
        String shown = value.toString();
        return ApiException.badField(
                path + name,
                "'" + path + name + "' " + what + ", not "
                        + (shown.length() > 80 ? shown.substring(0, 80) + " …" : shown));
    }
}
