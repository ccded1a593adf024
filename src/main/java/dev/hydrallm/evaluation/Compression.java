package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.SpeculativeDecoder;
import dev.hydrallm.decoding.Statistics;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.decoding.TokenSink.Demand;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * How many tokens a step writes.
 *
 * @param texts answers that were written
 * @param tooLong turns that left no room for an answer in the context, which were left out
 * @param tokens new tokens, an end token included
 * @param steps forwards of the base that checked a draft; reading a prompt is none
 * @param accepted steps by how many drafted tokens they accepted, from none to the tree's depth, or to the most of a step if that is more
 */
public record Compression(int texts, int tooLong, long tokens, long steps, List<Long> accepted) {
    public Compression {
        accepted = List.copyOf(accepted);
    }

    /** Nothing written. */
    static Compression none(int depth) {
        return new Compression(
                0, 0, 0, 0, IntStream.rangeClosed(0, depth).mapToObj(_ -> 0L).toList());
    }

    /** New tokens ÷ steps, of all texts together; no number without steps. */
    public double tokensPerStep() {
        return (double) tokens / steps;
    }

    /**
     * What Medusa's notebooks call so: they count a text's steps from 0, so that it is new tokens ÷ (steps − 1) of a text, here of all texts
     * together. No number where each took one step.
     */
    public double asMedusaCounts() {
        return (double) tokens / (steps - texts);
    }

    Compression plus(Statistics text) {
        List<Long> both = new ArrayList<>(accepted);
        for (int length : text.acceptLengths()) {
            while (both.size() <= length) {
                both.add(0L);
            }
            both.set(length, both.get(length) + 1);
        }
        return new Compression(texts + 1, tooLong, tokens + text.generatedTokens(), steps + text.steps(), both);
    }

    private Compression plusTooLong() {
        return new Compression(texts, tooLong + 1, tokens, steps, accepted);
    }

    /** Writes answers on one engine, one after the other in its slot 0. */
    public static final class Benchmark {
        private final Engine engine;
        private final Tokenizer tokenizer;
        private final ChatTemplate template;
        private final Set<Integer> ends;
        private final int maxTokens;

        /** Told after each prompt. */
        @FunctionalInterface
        public interface Done {
            void prompt();
        }

        /**
         * A benchmark of a model.
         *
         * @param ends tokens that end an answer
         * @param maxTokens of an answer
         */
        public Benchmark(Engine engine, Tokenizer tokenizer, ChatTemplate template, Set<Integer> ends, int maxTokens) {
            this.engine = engine;
            this.tokenizer = tokenizer;
            this.template = template;
            this.ends = Set.copyOf(ends);
            this.maxTokens = maxTokens;
        }

        /** Answers a set's prompts, turn by turn. */
        public Compression run(PromptSet set, Speculation speculation, AcceptanceRule rule, Done done) {
            SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
            Compression all = none(speculation.tree().depth());
            for (List<String> turns : set.prompts()) {
                Dialogue dialogue = new Dialogue(set.form(), tokenizer, template);
                for (String turn : turns) {
                    int[] prompt = dialogue.ask(turn);
                    if (prompt.length >= engine.limits().contextLength()) {
                        all = all.plusTooLong();
                        break;
                    }
                    Sequence answer = write(decoder, prompt, speculation, rule);
                    all = all.plus(answer.statistics());
                    dialogue.answered(answer.output());
                }
                done.prompt();
            }
            return all;
        }

        private Sequence write(SpeculativeDecoder decoder, int[] prompt, Speculation speculation, AcceptanceRule rule) {
            Sequence sequence = new Sequence(
                    new KvSlots(1).acquire(prompt, speculation.tree()),
                    prompt,
                    speculation,
                    rule,
                    new StopRules(ends, maxTokens, StopRules.UNLIMITED),
                    (token, origin) -> Demand.MORE);
            decoder.prefill(sequence);
            while (sequence.finished().isEmpty()) {
                decoder.step(List.of(sequence));
            }
            sequence.failure().ifPresent(failure -> {
                throw failure;
            });
            return sequence;
        }
    }
}
