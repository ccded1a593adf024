package dev.hydrallm.prompt;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.regex.Matcher;
import java.util.stream.Collectors;

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

    /** What a rendered conversation ends with. */
    enum End {
        /** What makes the model answer. */
        GENERATION_PROMPT,
        /** The last message. */
        NONE
    }

    private final Answers.Renderer renderer;
    private final Tokenizer tokenizer;

    private ChatTemplate(Answers.Renderer renderer, Tokenizer tokenizer) {
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
                    case RAW -> (messages, end) -> raw(messages);
                    case VICUNA -> ChatTemplate::vicuna;
                    default -> {
                        if (!template.contains("{{") && !template.contains("{%")) {
                            throw new IllegalArgumentException("no chat template is called " + template + "; there are "
                                    + RAW + ", " + VICUNA + " and files with a Jinja template");
                        }
                        JinjaTemplate jinja = new JinjaTemplate(template);
                        yield (messages, end) ->
                                jinja.render(messages, end, tokenizer.bosToken(), tokenizer.eosToken());
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
        return renderer.render(messages, End.GENERATION_PROMPT);
    }

    /**
     * The ids of {@link #render}. The template's special tokens are special, those in the messages are text.
     *
     * @throws IllegalArgumentException if the template refuses the messages
     */
    public int[] encode(List<Message> messages) {
        StandIns standIns = new StandIns(tokenizer);
        return encode(render(standIns.disarm(messages)), standIns).ids();
    }

    /**
     * A finished conversation with what of it the assistant said; one, unless the template changes earlier text as a conversation
     * goes on: then one for each answer. What comes after the last answer is left out.
     *
     * @param finish of the last message, if that is an answer
     * @return none if the assistant says nothing
     * @throws RewritingTemplateException if the template writes what comes before an answer otherwise because of the answer
     * @throws IllegalArgumentException if the template refuses the messages
     */
    public List<Transcript> transcribe(List<Message> messages, Transcript.Finish finish) {
        StandIns standIns = new StandIns(tokenizer);
        List<Message> disarmed = standIns.disarm(messages);
        return new Answers(renderer, tokenizer)
                .find(disarmed, finish).stream()
                        .map(marked -> label(marked, standIns))
                        .toList();
    }

    /** What a model wrote as an answer without what the template itself writes there, such as a blank: the content of its message. */
    public String contentOf(String written) {
        String lead = new Answers(renderer, tokenizer).lead();
        return written.startsWith(lead) ? written.substring(lead.length()) : written;
    }

    private Transcript label(Answers.Marked marked, StandIns standIns) {
        TokenSpans tokens = encode(marked.text(), standIns);
        BitSet said = new BitSet();
        for (Answers.Span answer : marked.answers()) {
            said.set(
                    standIns.restore(marked.text().substring(0, answer.begin())).length(),
                    standIns.restore(marked.text().substring(0, answer.end())).length());
        }
        boolean[] answered = new boolean[tokens.ids().length];
        for (int i = 0; i < answered.length; i++) {
            answered[i] = tokens.begins()[i] >= 0 && said.get(tokens.begins()[i]);
        }
        return new Transcript(tokens.ids(), answered);
    }

    /** A rendered text's ids, and where they begin in it once the stand-ins are turned back. */
    private TokenSpans encode(String text, StandIns standIns) {
        return standIns.isEmpty() ? tokenizer.encodeTemplate(text) : encodeParts(text, standIns);
    }

    /** Encodes what lies between the template's special tokens as plain text, stand-ins turned back. */
    private TokenSpans encodeParts(String text, StandIns standIns) {
        TokenSpans.Joined parts = new TokenSpans.Joined();
        Matcher special = tokenizer.specialTokensIn(text);
        String bos = tokenizer.bosToken();
        if (bos.isEmpty() || !text.startsWith(bos)) {
            parts.addTextless(tokenizer.beginning());
        }
        int end = 0;
        while (special.find()) {
            addPart(parts, standIns.restore(text.substring(end, special.start())));
            int id = tokenizer.specialTokens().getOrDefault(special.group(), 0);
            parts.add(new TokenSpans(new int[] {id}, new int[] {0}), special.group());
            end = special.end();
        }
        addPart(parts, standIns.restore(text.substring(end)));
        return parts.finish();
    }

    private void addPart(TokenSpans.Joined parts, String text) {
        parts.add(tokenizer.encodePart(text), text);
    }

    private static String raw(List<Message> messages) {
        return messages.stream().map(Message::content).collect(Collectors.joining("\n"));
    }

    private static String vicuna(List<Message> messages, End end) {
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
        return text.append(end == End.GENERATION_PROMPT ? "ASSISTANT:" : "").toString();
    }
}
