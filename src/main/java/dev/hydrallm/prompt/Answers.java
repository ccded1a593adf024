package dev.hydrallm.prompt;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Matcher;

/**
 * Finds the assistant's answers in the text that a template makes of a conversation. An answer begins where the text ends that the
 * model is given to answer, so it holds whatever the model has to write itself, blanks included; it ends with the special token that
 * ends the turn, or, where the template has none, with all that the template writes for the turn.
 */
final class Answers {
    /** Stands for an answer, to see what a template writes behind it: a private-use character beyond the stand-ins. */
    private static final String PROBE = Character.toString(0x10FFFD);

    /** What a template makes of messages. */
    @FunctionalInterface
    interface Renderer {
        String render(List<Message> messages, ChatTemplate.End end);
    }

    /** Characters from {@code begin} to before {@code end}. */
    record Span(int begin, int end) {}

    /** A text, which ends with its last answer. */
    record Marked(String text, List<Span> answers) {}

    private final Renderer renderer;
    private final Tokenizer tokenizer;

    Answers(Renderer renderer, Tokenizer tokenizer) {
        this.renderer = renderer;
        this.tokenizer = tokenizer;
    }

    /**
     * One text with all answers; where the template changes earlier text as the conversation goes on, one for each answer.
     *
     * @throws RewritingTemplateException if it changes even the text before an answer because of the answer
     * @throws IllegalArgumentException if it refuses the messages
     */
    List<Marked> find(List<Message> messages, Transcript.Finish finish) {
        List<Marked> single = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            if (messages.get(i).role().equals(Message.ASSISTANT)) {
                boolean last = i == messages.size() - 1;
                single.add(one(messages.subList(0, i + 1), last ? finish : Transcript.Finish.WHOLE));
            }
        }
        if (single.size() < 2) {
            return single;
        }
        String whole = single.getLast().text();
        if (single.stream().allMatch(answer -> whole.startsWith(answer.text()))) {
            return List.of(new Marked(
                    whole,
                    single.stream().flatMap(answer -> answer.answers().stream()).toList()));
        }
        return single;
    }

    /** What the template writes between what the model is given and an answer's own words; empty where nobody can say. */
    String lead() {
        List<Message> asked = List.of(new Message(Message.USER, "?"));
        List<Message> answered = List.of(asked.getFirst(), new Message(Message.ASSISTANT, PROBE));
        try {
            String before = renderer.render(asked, ChatTemplate.End.GENERATION_PROMPT);
            String after = renderer.render(answered, ChatTemplate.End.NONE);
            int at = after.indexOf(PROBE);
            return after.startsWith(before) && at >= before.length() ? after.substring(before.length(), at) : "";
        } catch (IllegalArgumentException e) {
            return "";
        }
    }

    /** The last of the messages as an answer to those before it. */
    private Marked one(List<Message> messages, Transcript.Finish finish) {
        String before = renderer.render(messages.subList(0, messages.size() - 1), ChatTemplate.End.GENERATION_PROMPT);
        String after = renderer.render(messages, ChatTemplate.End.NONE);
        if (!after.startsWith(before)) {
            throw new RewritingTemplateException(
                    "the chat template writes what comes before an answer otherwise once the answer is there");
        }
        int begin = before.length();
        int end = finish == Transcript.Finish.WHOLE
                ? endOfTurn(messages, after, begin)
                : endOfContent(messages, after, begin).orElse(begin);
        return new Marked(after.substring(0, end), List.of(new Span(begin, end)));
    }

    private int endOfTurn(List<Message> messages, String text, int begin) {
        List<Integer> ends = new ArrayList<>();
        if (tokenizer.hasSpecialTokens()) {
            Matcher special = tokenizer.specialTokensIn(text).region(begin, text.length());
            while (special.find()) {
                ends.add(special.end());
            }
        }
        if (ends.size() < 2) {
            return ends.isEmpty() ? text.length() : ends.getFirst();
        }
        // A template may begin an answer with special tokens, too, or write the next turn's beginning: the first one
        // after
        // the content counts.
        int content = endOfContent(messages, text, begin).orElse(text.length());
        return ends.stream().filter(end -> end > content).findFirst().orElse(ends.getLast());
    }

    /** Where the last message's own words end; empty where the template does something with them that nobody can follow. */
    private OptionalInt endOfContent(List<Message> messages, String text, int begin) {
        List<Message> probed = new ArrayList<>(messages);
        probed.set(probed.size() - 1, new Message(messages.getLast().role(), PROBE));
        String probe = renderer.render(probed, ChatTemplate.End.NONE);
        int at = probe.indexOf(PROBE, begin);
        if (at < 0) {
            return OptionalInt.empty();
        }
        String behind = probe.substring(at + PROBE.length());
        int end = text.length() - behind.length();
        return text.endsWith(behind) && end >= begin ? OptionalInt.of(end) : OptionalInt.empty();
    }
}
