package dev.hydrallm.evaluation;

import dev.hydrallm.evaluation.Answerer.Answer;
import dev.hydrallm.evaluation.Answerer.Drafting;
import dev.hydrallm.evaluation.Answerer.Question;
import dev.hydrallm.evaluation.ReferenceSet.Item;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * How near a model's greedy answers to a set of prompts are to the right ones.
 *
 * @param set the set's name
 * @param withoutReference prompts that have no right answer: they are left out
 * @param tooLong prompts that leave no room in the model's context: they are left out, too
 * @param check whether drafting changed an answer; null when nothing was checked
 */
public record AnswerQuality(
        String set,
        int withoutReference,
        int tooLong,
        List<Scored> answers,
        @Nullable DraftCheck check) {

    /** Whether all is answered a second time without drafts. */
    public enum Check {
        /** If the model drafts at all. */
        DRAFTS,
        NOTHING
    }

    /**
     * One answer. Scores are 0 to 1, those of ROUGE F1.
     *
     * @param steps verify steps
     */
    public record Scored(
            String prompt,
            String reference,
            String answer,
            double bleu2,
            double rouge1,
            double rouge2,
            double rougeL,
            int tokens,
            int steps,
            double seconds) {
        private static Scored of(String prompt, String reference, Answer answer) {
            String text = answer.text().strip();
            return new Scored(
                    prompt,
                    reference,
                    text,
                    Bleu.bleu2(text, reference),
                    Rouge.ngrams(text, reference, 1).f1(),
                    Rouge.ngrams(text, reference, 2).f1(),
                    Rouge.longest(text, reference).f1(),
                    answer.ids().length,
                    answer.steps(),
                    answer.seconds());
        }
    }

    /**
     * The same answers without drafts.
     *
     * @param same answers whose every id is the same
     * @param different the others
     * @param plainSeconds that all of them took without drafts
     */
    public record DraftCheck(int same, int different, double plainSeconds) {
        private DraftCheck plus(Answer drafted, Answer plain) {
            boolean equal = Arrays.equals(drafted.ids(), plain.ids());
            return new DraftCheck(same + (equal ? 1 : 0), different + (equal ? 0 : 1), plainSeconds + plain.seconds());
        }
    }

    public AnswerQuality {
        answers = List.copyOf(answers);
    }

    /**
     * Lets a model answer.
     *
     * @param maxTokens most tokens of an answer
     * @param done told how many prompts of the set are done
     */
    public static AnswerQuality of(Answerer model, ReferenceSet set, int maxTokens, Check check, IntConsumer done) {
        boolean checks = check == Check.DRAFTS && model.drafts();
        DraftCheck checked = new DraftCheck(0, 0, 0);
        List<Scored> answers = new ArrayList<>();
        int withoutReference = 0;
        int tooLong = 0;
        int seen = 0;
        for (Item prompt : set.prompts()) {
            if (prompt.reference().isEmpty()) {
                withoutReference++;
            } else {
                Optional<Answer> answer = model.answer(Question.greedy(prompt.text(), Drafting.USUAL, maxTokens));
                if (answer.isEmpty()) {
                    tooLong++;
                } else {
                    answers.add(Scored.of(prompt.text(), prompt.reference().get(), answer.get()));
                }
                if (answer.isPresent() && checks) {
                    Answer plain = model.answer(Question.greedy(prompt.text(), Drafting.NONE, maxTokens))
                            .orElseThrow();
                    checked = checked.plus(answer.get(), plain);
                }
            }
            done.accept(++seen);
        }
        return new AnswerQuality(set.name(), withoutReference, tooLong, answers, checks ? checked : null);
    }

    /** The mean BLEU-2 of all answers, 0 to 1; not a number without answers. */
    public double bleu2() {
        return mean(Scored::bleu2);
    }

    /** The mean F1 of ROUGE-1 likewise. */
    public double rouge1() {
        return mean(Scored::rouge1);
    }

    /** The mean F1 of ROUGE-2 likewise. */
    public double rouge2() {
        return mean(Scored::rouge2);
    }

    /** The mean F1 of ROUGE-L likewise. */
    public double rougeL() {
        return mean(Scored::rougeL);
    }

    /** New tokens ÷ steps over all answers; not a number without answers. */
    public double tokensPerStep() {
        return (double) tokens() / answers.stream().mapToInt(Scored::steps).sum();
    }

    /** Tokens of all answers. */
    public int tokens() {
        return answers.stream().mapToInt(Scored::tokens).sum();
    }

    /** What all answers took, prompts included. */
    public double seconds() {
        return answers.stream().mapToDouble(Scored::seconds).sum();
    }

    private double mean(ToDoubleFunction<Scored> score) {
        return answers.stream().mapToDouble(score).average().orElse(Double.NaN);
    }
}
