package dev.hydrallm.prompt;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Text to token ids and back, by the Hugging Face tokenizers library. Special tokens that a user types, such as
 * {@code </s>}, are ordinary text; only a chat template can make special tokens of text. Thread-safe.
 */
public final class Tokenizer implements AutoCloseable {
    /** The library cuts long texts unless told not to. */
    private static final Map<String, String> OPTIONS =
            Map.of("truncation", "false", "padding", "false", "maxLength", "1000000000");

    private static final JsonMapper JSON = new JsonMapper();

    /** Knows the special tokens in text. */
    private final HuggingFaceTokenizer whole;
    /** Does not know them. */
    private final HuggingFaceTokenizer plain;

    private final Map<String, Integer> specialTokens;
    private final Pattern anySpecial;
    private final @Nullable Integer bosId;
    private final List<Integer> eosIds;

    private Tokenizer(
            HuggingFaceTokenizer whole,
            HuggingFaceTokenizer plain,
            Map<String, Integer> specialTokens,
            @Nullable Integer bosId,
            List<Integer> eosIds) {
        this.whole = whole;
        this.plain = plain;
        this.specialTokens = specialTokens;
        this.bosId = bosId;
        this.eosIds = eosIds;
        // The longest first, or one that begins another would hide it.
        this.anySpecial = Pattern.compile(specialTokens.keySet().stream()
                .sorted(Comparator.comparingInt(String::length).reversed())
                .map(Pattern::quote)
                .collect(Collectors.joining("|")));
    }

    /**
     * Loads a {@code tokenizer.json}.
     *
     * @param bosId the token that begins a text; null when there is none
     * @param eosIds the tokens that end one
     * @throws IllegalArgumentException if the library cannot read the file
     */
    public static Tokenizer load(Path file, @Nullable Integer bosId, List<Integer> eosIds) {
        try {
            byte[] bytes = Files.readAllBytes(file);
            if (!(JSON.readTree(bytes) instanceof ObjectNode json)) {
                throw new IllegalArgumentException(file + ": is no tokenizer.json");
            }
            Map<String, Integer> special = removeSpecialTokens(json);
            HuggingFaceTokenizer whole = HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(bytes), OPTIONS);
            HuggingFaceTokenizer plain = special.isEmpty()
                    ? whole
                    : HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(JSON.writeValueAsBytes(json)), OPTIONS);
            return new Tokenizer(whole, plain, special, bosId, List.copyOf(eosIds));
        } catch (IOException e) {
            throw new IllegalArgumentException(file + ": cannot be read: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(file + ": is no tokenizer that can be used: " + e.getMessage(), e);
        }
    }

    /** Takes the special tokens out of a tokenizer's list of added tokens and says which they were. */
    private static Map<String, Integer> removeSpecialTokens(ObjectNode json) {
        Map<String, Integer> special = new LinkedHashMap<>();
        ArrayNode kept = JSON.createArrayNode();
        for (JsonNode token : json.path("added_tokens")) {
            String content = token.path("content").asText();
            if (token.path("special").asBoolean() && !content.isEmpty()) {
                special.put(content, token.path("id").asInt());
            } else {
                kept.add(token);
            }
        }
        json.set("added_tokens", kept);
        return special;
    }

    /** A text as it is: nothing in it is special; BOS before it if the tokenizer adds one. */
    public int[] encode(String text) {
        return ids(plain.encode(text, true, false).getIds());
    }

    /** A part of a text: nothing in it is special and nothing is added. */
    int[] encodePart(String text) {
        return ids(plain.encode(text, false, false).getIds());
    }

    /** A template's text, in which special tokens are special; BOS before it unless it brings its own. */
    int[] encodeTemplate(String text) {
        boolean bringsBos = bosId != null && text.startsWith(token(bosId));
        return ids(whole.encode(text, !bringsBos, false).getIds());
    }

    /** The special tokens by their texts. */
    Map<String, Integer> specialTokens() {
        return specialTokens;
    }

    /** Finds special tokens in a text. */
    Matcher specialTokensIn(String text) {
        return anySpecial.matcher(text);
    }

    boolean holdsSpecialTokens(String text) {
        return !specialTokens.isEmpty() && anySpecial.matcher(text).find();
    }

    /** BOS as a template writes it; empty when there is none. */
    String bosToken() {
        return bosId == null ? "" : token(bosId);
    }

    /** The first EOS as a template writes it; empty when there is none. */
    String eosToken() {
        return eosIds.isEmpty() ? "" : token(eosIds.getFirst());
    }

    private String token(int id) {
        return specialTokens.entrySet().stream()
                .filter(entry -> entry.getValue() == id)
                .map(Map.Entry::getKey)
                .findFirst()
                .orElseGet(() -> Objects.toString(whole.decode(new long[] {id}, false), ""));
    }

    /** What the ids that begin a text with BOS are; none if the tokenizer adds none. */
    int[] beginning() {
        return ids(plain.encode("", true, false).getIds());
    }

    /** The text of ids, special tokens left out. Half a character shows as U+FFFD. */
    public String decode(int[] ids) {
        return whole.decode(IntStream.of(ids).asLongStream().toArray(), true);
    }

    /** Whether every id below a vocabulary's size stands for the same text in both. */
    public boolean knowsTheTokensOf(Tokenizer other, int vocabularySize) {
        return IntStream.range(0, vocabularySize).allMatch(id -> {
            long[] token = {id};
            return Objects.equals(whole.decode(token, false), other.whole.decode(token, false));
        });
    }

    private static int[] ids(long[] ids) {
        return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
    }

    @Override
    public void close() {
        if (plain != whole) {
            plain.close();
        }
        whole.close();
    }
}
