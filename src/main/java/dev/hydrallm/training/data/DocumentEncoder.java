package dev.hydrallm.training.data;

import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.RewritingTemplateException;
import dev.hydrallm.prompt.TokenSpans;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.prompt.Transcript;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * Documents to tokens with labels. Thread-safe.
 *
 * @param digest SHA-256 of the {@code tokenizer.json}
 * @param vocabulary ids are below it
 * @param maxLength most tokens of a sample
 */
record DocumentEncoder(Tokenizer tokenizer, ChatTemplate template, String digest, int vocabulary, int maxLength) {

    Encoded encode(Document document) {
        return switch (document) {
            case Document.Dialogue dialogue -> dialogue(dialogue);
            case Document.Text text -> text(text);
            case Document.Completion completion -> completion(completion);
        };
    }

    private Encoded dialogue(Document.Dialogue dialogue) {
        // Every message has a token at least: what is left out here is beyond the length anyway.
        boolean whole = dialogue.messages().size() <= maxLength;
        try {
            List<Transcript> transcripts = template.transcribe(
                    whole ? dialogue.messages() : dialogue.messages().subList(0, maxLength),
                    whole ? dialogue.finish() : Transcript.Finish.WHOLE);
            return transcripts.isEmpty() ? new Encoded.Dropped(Drop.NO_ANSWER) : new Encoded.Samples(transcripts);
        } catch (RewritingTemplateException e) {
            return new Encoded.Dropped(Drop.TEMPLATE_REWRITES);
        } catch (IllegalArgumentException e) {
            return new Encoded.Dropped(Drop.TEMPLATE_REFUSES);
        }
    }

    private Encoded text(Document.Text text) {
        int[] ids = text.edges().contains(Document.Edge.BEGIN)
                ? tokenizer.encode(text.text())
                : tokenizer.encodePart(text.text()).ids();
        return new Encoded.Stream(text.edges().contains(Document.Edge.END) ? ended(ids) : ids, text.edges());
    }

    private Encoded completion(Document.Completion completion) {
        Document.Ids known = completion.ids();
        if (known != null) {
            int[] ids = IntStream.concat(IntStream.of(known.prompt()), IntStream.of(known.completion()))
                    .toArray();
            if (!known.tokenizer().equals(digest) || IntStream.of(ids).anyMatch(id -> id < 0 || id >= vocabulary)) {
                return new Encoded.Dropped(Drop.OTHER_TOKENS);
            }
            return sample(ids, known.prompt().length);
        }
        TokenSpans tokens = tokenizer.encodeWithSpans(completion.prompt() + completion.completion());
        int first = 0;
        while (first < tokens.ids().length
                && tokens.begins()[first] < completion.prompt().length()) {
            first++;
        }
        return sample(completion.finish() == Transcript.Finish.WHOLE ? ended(tokens.ids()) : tokens.ids(), first);
    }

    private static Encoded sample(int[] ids, int firstLabelled) {
        boolean[] labelled = new boolean[ids.length];
        Arrays.fill(labelled, Math.min(firstLabelled, ids.length), ids.length, true);
        return new Encoded.Samples(List.of(new Transcript(ids, labelled)));
    }

    private int[] ended(int[] ids) {
        OptionalInt end = tokenizer.endOfText();
        if (end.isEmpty()) {
            return ids;
        }
        int[] longer = Arrays.copyOf(ids, ids.length + 1);
        longer[ids.length] = end.getAsInt();
        return longer;
    }
}
