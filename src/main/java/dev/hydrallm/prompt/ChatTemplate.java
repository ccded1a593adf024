package dev.hydrallm.prompt;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Turns a conversation into the text that a model was trained to continue. Immutable and thread-safe. */
public final class ChatTemplate {
    /** The contents joined by newlines, no roles: for models that only continue text. */
    public static final String RAW = "raw";
    /** FastChat's template of Vicuna 1.1 to 1.5. */
    public static final String VICUNA = "vicuna_v1.1";

    /** FastChat's system message for Vicuna. */
    public static final String VICUNA_SYSTEM =
            "A chat between a curious user and an artificial intelligence assistant. "
                    + "The assistant gives helpful, detailed, and polite answers to the user's questions.";

    /** Stand-ins for special tokens that a user typed, while a template is rendered: private-use characters. */
    private static final int FIRST_STAND_IN = 0xF0000;

    private static final int MOST_STAND_INS = 0xFFFE;

    private interface Renderer {
        String render(List<Message> messages);
    }

    private final Renderer renderer;
    private final Tokenizer tokenizer;

    private ChatTemplate(Renderer renderer, Tokenizer tokenizer) {
        this.renderer = renderer;
        this.tokenizer = tokenizer;
    }

    /**
     * A template by its name, {@value #RAW} or {@value #VICUNA}, or from its Jinja text.
     *
     * @throws IllegalArgumentException if it is no known name and no Jinja template that can be used
     */
    public static ChatTemplate of(String template, Tokenizer tokenizer) {
        return new ChatTemplate(
                switch (template) {
                    case RAW -> ChatTemplate::raw;
                    case VICUNA -> ChatTemplate::vicuna;
                    default -> {
                        if (!template.contains("{{") && !template.contains("{%")) {
                            throw new IllegalArgumentException("no chat template is called " + template + "; there are "
                                    + RAW + ", " + VICUNA + " and files with a Jinja template");
                        }
                        JinjaTemplate jinja = new JinjaTemplate(template);
                        yield messages -> jinja.render(messages, tokenizer.bosToken(), tokenizer.eosToken());
                    }
                },
                tokenizer);
    }

    /**
     * The text of a conversation up to where the assistant's next answer begins.
     *
     * @throws IllegalArgumentException if the template refuses the messages
     */
    public String render(List<Message> messages) {
        return renderer.render(messages);
    }

    /**
     * The ids of {@link #render}. The template's special tokens are special, those in the messages are text.
     *
     * @throws IllegalArgumentException if the template refuses the messages
     */
    public int[] encode(List<Message> messages) {
        // Without a template's markup everything is the user's.
        if (messages.stream().noneMatch(message -> tokenizer.holdsSpecialTokens(message.content()))) {
            return tokenizer.encodeTemplate(render(messages));
        }
        Map<Integer, String> standIns = new TreeMap<>();
        List<Message> disarmed = messages.stream()
                .map(message -> new Message(message.role(), disarm(message.content(), standIns)))
                .toList();
        return encodeParts(render(disarmed), standIns);
    }

    /** Replaces special tokens, and characters that look like our replacements, by stand-ins. */
    private String disarm(String content, Map<Integer, String> standIns) {
        String safe = content.codePoints()
                .mapToObj(point -> point >= FIRST_STAND_IN && point < FIRST_STAND_IN + MOST_STAND_INS
                        ? standIn(Character.toString(point), standIns)
                        : Character.toString(point))
                .collect(Collectors.joining());
        return tokenizer
                .specialTokensIn(safe)
                .replaceAll(match -> Matcher.quoteReplacement(standIn(match.group(), standIns)));
    }

    private static String standIn(String text, Map<Integer, String> standIns) {
        if (standIns.size() == MOST_STAND_INS) {
            throw new IllegalArgumentException("the messages hold more than " + MOST_STAND_INS + " special tokens");
        }
        int point = FIRST_STAND_IN + standIns.size();
        standIns.put(point, text);
        return Character.toString(point);
    }

    /** Encodes what lies between the template's special tokens as plain text, stand-ins turned back. */
    private int[] encodeParts(String text, Map<Integer, String> standIns) {
        List<int[]> parts = new ArrayList<>();
        Matcher special = tokenizer.specialTokensIn(text);
        String bos = tokenizer.bosToken();
        if (bos.isEmpty() || !text.startsWith(bos)) {
            parts.add(tokenizer.beginning());
        }
        int end = 0;
        while (special.find()) {
            parts.add(tokenizer.encodePart(restore(text.substring(end, special.start()), standIns)));
            parts.add(new int[] {tokenizer.specialTokens().getOrDefault(special.group(), 0)});
            end = special.end();
        }
        parts.add(tokenizer.encodePart(restore(text.substring(end), standIns)));
        return parts.stream().flatMapToInt(IntStream::of).toArray();
    }

    private static String restore(String text, Map<Integer, String> standIns) {
        return text.codePoints()
                .mapToObj(point -> standIns.getOrDefault(point, Character.toString(point)))
                .collect(Collectors.joining());
    }

    private static String raw(List<Message> messages) {
        return messages.stream().map(Message::content).collect(Collectors.joining("\n"));
    }

    private static String vicuna(List<Message> messages) {
        List<Message> turns = new ArrayList<>(messages);
        String system = VICUNA_SYSTEM;
        if (!turns.isEmpty() && turns.getFirst().role().equals(Message.SYSTEM)) {
            system = turns.removeFirst().content();
        }
        StringBuilder text = new StringBuilder(system).append(' ');
        for (Message turn : turns) {
            switch (turn.role()) {
                case Message.USER ->
                    text.append("USER: ").append(turn.content()).append(' ');
                case Message.ASSISTANT ->
                    text.append("ASSISTANT: ").append(turn.content()).append("</s>");
                default ->
                    throw new IllegalArgumentException(
                            "the template " + VICUNA + " knows a system message at the beginning only, then user and"
                                    + " assistant; found a message of " + turn.role());
            }
        }
        return text.append("ASSISTANT:").toString();
    }
}
