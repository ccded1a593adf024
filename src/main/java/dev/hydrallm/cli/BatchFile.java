package dev.hydrallm.cli;

import com.fasterxml.jackson.annotation.JsonAutoDetect;
import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.exc.InvalidFormatException;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.serving.GenerationListener;
import dev.hydrallm.serving.GenerationRequest;
import dev.hydrallm.serving.GenerationResult;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Many prompts from a file, one JSON object a line; an answer, or an error object, for each line in order. */
final class BatchFile implements AutoCloseable {
    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_ENUMS)
            .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .enable(DeserializationFeature.FAIL_ON_NUMBERS_FOR_ENUMS)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .defaultSetterInfo(JsonSetter.Value.forContentNulls(Nulls.FAIL))
            .enable(DeserializationFeature.ACCEPT_SINGLE_VALUE_AS_ARRAY)
            .visibility(PropertyAccessor.FIELD, JsonAutoDetect.Visibility.NON_PRIVATE)
            .visibility(PropertyAccessor.GETTER, JsonAutoDetect.Visibility.NONE)
            .build();

    /** A line that is not blank, by its number in the file. */
    record Line(int number, byte[] bytes) {}

    /** What is to be answered. */
    record Prompts(Path file, List<Line> lines) {}

    private final List<Line> lines;
    private final PrintStream out;

    private BatchFile(List<Line> lines, PrintStream out) {
        this.lines = lines;
        this.out = out;
    }

    /** Reads the prompts. */
    static Prompts read(Path input) throws IOException {
        return new Prompts(input, split(Files.readAllBytes(input)));
    }

    /** Answers go to {@code output}, or to stdout without one. */
    static BatchFile open(Prompts prompts, @Nullable Path output) throws IOException {
        if (output != null && Files.exists(output) && Files.isSameFile(prompts.file(), output)) {
            throw new IllegalArgumentException("--output would overwrite the prompts in " + output);
        }
        PrintStream out = output == null
                ? new PrintStream(System.out, false, StandardCharsets.UTF_8)
                : new PrintStream(Files.newOutputStream(output), false, StandardCharsets.UTF_8);
        return new BatchFile(prompts.lines(), out);
    }

    private static List<Line> split(byte[] bytes) {
        List<Line> lines = new ArrayList<>();
        int number = 0;
        int start = 0;
        for (int i = 0; i <= bytes.length; i++) {
            if (i == bytes.length || bytes[i] == '\n') {
                number++;
                byte[] line = Arrays.copyOfRange(bytes, start, i);
                if (!new String(line, StandardCharsets.ISO_8859_1).isBlank()) {
                    lines.add(new Line(number, line));
                }
                start = i + 1;
            }
        }
        return lines;
    }

    /**
     * Answers every line.
     *
     * @param defaults for what a line does not say
     * @param raw whether prompts are used as they are, unless a line says so itself
     * @return whether every line had an answer
     * @throws IOException when the answers cannot be written
     */
    boolean run(TextModel model, ModelOptions options, SamplingOptions defaults, boolean raw) throws IOException {
        Progress progress = new Progress("Generating");
        boolean allGood = true;
        int done = 0;
        for (Line line : lines) {
            String answer;
            try {
                answer = answer(model, options, defaults, raw, Texts.decode(line.bytes, "the line"));
            } catch (RuntimeException | IOException e) {
                // Whatever is wrong with one line, the others go on.
                ObjectNode error = JSON.createObjectNode();
                error.putObject("error").put("line", line.number).put("message", reason(e));
                answer = error.toString();
                allGood = false;
            }
            out.println(answer);
            if (out.checkError()) {
                throw new IOException("the answers cannot be written: is the disk full?");
            }
            progress.count(++done, lines.size(), "prompts");
        }
        return allGood;
    }

    private static String reason(Exception error) {
        return switch (error) {
            case UnrecognizedPropertyException unknown -> "unknown option " + unknown.getPropertyName();
            case InvalidFormatException invalid -> option(invalid) + " cannot be " + invalid.getValue();
            case MismatchedInputException mismatched -> option(mismatched) + " is of the wrong type";
            case JsonProcessingException json -> json.getOriginalMessage();
            default -> Cli.oneLine(error);
        };
    }

    /** The field of the line that an error is about. */
    private static String option(JsonMappingException error) {
        return error.getPath().stream()
                .map(JsonMappingException.Reference::getFieldName)
                .filter(Objects::nonNull)
                .findFirst()
                .orElse("prompt_ids");
    }

    private static String answer(
            TextModel model, ModelOptions options, SamplingOptions defaults, boolean raw, String line)
            throws IOException {
        if (!(JSON.readTree(line) instanceof ObjectNode object)) {
            throw new IllegalArgumentException("a line must be a JSON object");
        }
        // A null says nothing, like an absent field.
        object.properties().removeIf(field -> field.getValue().isNull());
        JsonNode prompt = object.remove("prompt");
        JsonNode promptIds = object.remove("prompt_ids");
        JsonNode rawField = object.remove("raw");
        JsonNode tree = object.remove("tree");
        JsonNode noSpeculation = object.remove("no_speculation");
        SamplingOptions sampling = JSON.convertValue(defaults, SamplingOptions.class);
        JSON.readerForUpdating(sampling).readValue(object);

        int[] ids = promptIds(model, prompt, promptIds, rawField == null ? raw : bool(rawField, "raw"));
        boolean plain = noSpeculation == null ? options.noSpeculation : bool(noSpeculation, "no_speculation");
        Speculation drafted = tree == null
                ? model.speculation()
                : TextModel.speculationOf(
                        model.pack(), Optional.of(pathsOf(tree)), Optional.ofNullable(options.speculation));
        AcceptanceRule rule = sampling.rule();
        GenerationResult result = model.generate(
                        new GenerationRequest(
                                ids,
                                rule,
                                plain ? Speculation.NONE : drafted,
                                sampling.stops(model.endTokens(), StopRules.UNLIMITED),
                                sampling.stop),
                        GenerationListener.NONE)
                .result()
                .join();
        return GenerationJson.of(ids, rule, result).line();
    }

    private static int[] promptIds(
            TextModel model, @Nullable JsonNode prompt, @Nullable JsonNode promptIds, boolean raw) throws IOException {
        if (promptIds != null && prompt == null) {
            if (!promptIds.isArray()) {
                throw new IllegalArgumentException("prompt_ids must be a list of whole numbers");
            }
            return JSON.treeToValue(promptIds, int[].class);
        }
        if (prompt == null || promptIds != null) {
            throw new IllegalArgumentException("a line must hold exactly one of prompt and prompt_ids");
        }
        if (!prompt.isTextual()) {
            throw new IllegalArgumentException("prompt must be a string");
        }
        String text = prompt.textValue();
        return raw ? model.encode(text) : model.encode(List.of(new Message("user", text)));
    }

    private static List<List<Integer>> pathsOf(JsonNode tree) {
        if (!tree.isTextual()) {
            throw new IllegalArgumentException("tree must be a name or a file");
        }
        return NamedTrees.byNameOrFile(tree.textValue());
    }

    private static boolean bool(JsonNode value, String name) {
        if (!value.isBoolean()) {
            throw new IllegalArgumentException(name + " must be true or false");
        }
        return value.booleanValue();
    }

    @Override
    public void close() {
        out.close();
    }
}
