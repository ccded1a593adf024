package dev.hydrallm.prompt;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
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
import java.util.OptionalInt;
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
            return of(Files.readAllBytes(file), file.toString(), bosId, eosIds);
        } catch (IOException e) {
            throw new IllegalArgumentException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /**
     * The same, of a {@code tokenizer.json}'s bytes.
     *
     * @param name for messages
     */
    public static Tokenizer of(byte[] bytes, String name, @Nullable Integer bosId, List<Integer> eosIds) {
        try {
            if (!(JSON.readTree(bytes) instanceof ObjectNode json)) {
                throw new IllegalArgumentException(name + ": is no tokenizer.json");
            }
            HuggingFaceTokenizer whole =
                    open(keepSpacesInSpans(json.path("post_processor")) ? JSON.writeValueAsBytes(json) : bytes);
            Map<String, Integer> special = removeSpecialTokens(json);
            HuggingFaceTokenizer plain = special.isEmpty() ? whole : open(JSON.writeValueAsBytes(json));
            return new Tokenizer(whole, plain, special, bosId, List.copyOf(eosIds));
        } catch (IOException e) {
            throw new IllegalArgumentException(name + ": cannot be read: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(name + ": is no tokenizer that can be used: " + e.getMessage(), e);
        }
    }

    private static HuggingFaceTokenizer open(byte[] json) throws IOException {
        return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), OPTIONS);
    }

    /**
     * A byte-level post-processor may take the blanks that belong to a token out of its span; the ids stay.
     *
     * @return whether there was one
     */
    private static boolean keepSpacesInSpans(JsonNode processor) {
        boolean changed = processor.path("trim_offsets").asBoolean();
        if (changed) {
            ((ObjectNode) processor).put("trim_offsets", false);
        }
        for (JsonNode part : processor.path("processors")) {
            changed |= keepSpacesInSpans(part);
        }
        return changed;
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

    /** The same with where each token begins. */
    public TokenSpans encodeWithSpans(String text) {
        return spans(text, plain.encode(text, true, false));
    }

    /** A part of a text: nothing in it is special and nothing is added. */
    public TokenSpans encodePart(String text) {
        return spans(text, plain.encode(text, false, false));
    }

    /** A template's text, in which special tokens are special; BOS before it unless it brings its own. */
    TokenSpans encodeTemplate(String text) {
        boolean bringsBos = bosId != null && text.startsWith(token(bosId));
        return spans(text, whole.encode(text, !bringsBos, false));
    }

    /** The library counts code points, a string UTF-16 units. */
    private static TokenSpans spans(String text, Encoding encoding) {
        int points = text.codePointCount(0, text.length());
        int[] units = points == text.length() ? new int[0] : new int[points + 1];
        for (int point = 0, unit = 0; point < units.length; point++) {
            units[point] = unit;
            unit = point < points ? text.offsetByCodePoints(unit, 1) : unit;
        }
        CharSpan[] spans = encoding.getCharTokenSpans();
        int[] begins = new int[spans.length];
        for (int i = 0; i < spans.length; i++) {
            @Nullable CharSpan span = spans[i];
            begins[i] = span == null ? -1 : units.length == 0 ? span.getStart() : units[span.getStart()];
        }
        return new TokenSpans(ids(encoding.getIds()), begins);
    }

    /** The special tokens by their texts. */
    Map<String, Integer> specialTokens() {
        return specialTokens;
    }

    /** Finds special tokens in a text. */
    Matcher specialTokensIn(String text) {
        return anySpecial.matcher(text);
    }

    boolean hasSpecialTokens() {
        return !specialTokens.isEmpty();
    }

    boolean holdsSpecialTokens(String text) {
        return hasSpecialTokens() && anySpecial.matcher(text).find();
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

    /** The text of ids, special tokens shown as a template writes them. */
    public String decodeAll(int[] ids) {
        return whole.decode(IntStream.of(ids).asLongStream().toArray(), false);
    }

    /** The token that ends a text; empty when there is none. */
    public OptionalInt endOfText() {
        return eosIds.isEmpty() ? OptionalInt.empty() : OptionalInt.of(eosIds.getFirst());
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
