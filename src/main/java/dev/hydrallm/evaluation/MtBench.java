package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.evaluation.Answerer.Answer;
import dev.hydrallm.evaluation.Answerer.Drafting;
import dev.hydrallm.evaluation.Answerer.Question;
import dev.hydrallm.prompt.Message;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.IntConsumer;

/** A model's answers to the questions of MT-bench, for a judge such as FastChat's, and what they cost. */
public final class MtBench {
    /** The alphabet of shortuuid, which FastChat names answers by. */
    private static final String ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

    private static final int NAME_LENGTH = 22;

    private final Answerer model;
    private final String modelId;
    private final Rules rules;
    private final int choices;
    private final int maxTokens;
    private final Drafting drafting;

    /** How tokens are chosen. */
    @FunctionalInterface
    public interface Rules {
        /**
         * The rule of a dialogue.
         *
         * @param temperature of the question's category; 0 is greedy
         * @param choice which of several answers to the same question, from 0; FastChat seeds with it
         */
        AcceptanceRule rule(double temperature, int choice);
    }

    /**
     * What one category cost.
     *
     * @param turns that were answered
     * @param failed turns that left no room in the model's context
     * @param newTokens of all turns
     * @param steps verify steps likewise
     * @param seconds likewise, prompts included
     */
    public record Line(
            String category, int questions, int turns, int failed, int newTokens, int steps, double seconds) {
        /** New tokens ÷ steps; not a number without steps. */
        public double tokensPerStep() {
            return (double) newTokens / steps;
        }

        /** New tokens a second; not a number without time. */
        public double tokensPerSecond() {
            return newTokens / seconds;
        }

        private Line plus(Line other, String name) {
            return new Line(
                    name,
                    questions + other.questions,
                    turns + other.turns,
                    failed + other.failed,
                    newTokens + other.newTokens,
                    steps + other.steps,
                    seconds + other.seconds);
        }
    }

    /**
     * A run of a model.
     *
     * @param choices answers to each question
     * @param maxTokens most tokens of a turn's answer
     */
    public MtBench(Answerer model, String modelId, Rules rules, int choices, int maxTokens, Drafting drafting) {
        this.model = model;
        this.modelId = modelId;
        this.rules = rules;
        this.choices = choices;
        this.maxTokens = maxTokens;
        this.drafting = drafting;
    }

    /** Answers what has no answer in the file yet; tells {@code done} how many of the questions have one. */
    public void run(List<MtBenchQuestion> questions, MtBenchAnswers file, IntConsumer done) throws IOException {
        int before = (int)
                questions.stream().filter(question -> file.holds(question.id())).count();
        done.accept(before);
        for (MtBenchQuestion question : questions) {
            if (!file.holds(question.id())) {
                file.add(answer(question));
                done.accept(++before);
            }
        }
    }

    private MtBenchAnswer answer(MtBenchQuestion question) {
        List<MtBenchAnswer.Choice> dialogues = new ArrayList<>();
        for (int choice = 0; choice < choices; choice++) {
            dialogues.add(dialogue(question, choice));
        }
        return new MtBenchAnswer(
                question.id(),
                name(UUID.randomUUID()),
                modelId,
                dialogues,
                Clock.systemUTC().millis() / 1e3,
                Map.of());
    }

    private MtBenchAnswer.Choice dialogue(MtBenchQuestion question, int choice) {
        AcceptanceRule rule = rules.rule(question.temperature(), choice);
        List<Message> messages = new ArrayList<>();
        List<String> turns = new ArrayList<>();
        List<Integer> steps = new ArrayList<>();
        List<Integer> newTokens = new ArrayList<>();
        List<Double> seconds = new ArrayList<>();
        for (String turn : question.turns()) {
            messages.add(new Message(Message.USER, turn));
            Optional<Answer> answer = model.answer(new Question(messages, rule, drafting, maxTokens));
            String text = answer.map(given -> given.text().strip()).orElse(MtBenchAnswer.ERROR);
            messages.add(new Message(Message.ASSISTANT, text));
            turns.add(text);
            steps.add(answer.map(Answer::steps).orElse(0));
            newTokens.add(answer.map(given -> given.ids().length).orElse(0));
            seconds.add(answer.map(Answer::seconds).orElse(0.0));
        }
        return new MtBenchAnswer.Choice(choice, turns, steps, newTokens, seconds);
    }

    /** A UUID as shortuuid writes it: its number in base 57, filled up to 22 characters. */
    static String name(UUID uuid) {
        byte[] bytes = ByteBuffer.allocate(16)
                .putLong(uuid.getMostSignificantBits())
                .putLong(uuid.getLeastSignificantBits())
                .array();
        BigInteger number = new BigInteger(1, bytes);
        BigInteger base = BigInteger.valueOf(ALPHABET.length());
        StringBuilder name = new StringBuilder();
        while (name.length() < NAME_LENGTH) {
            BigInteger[] parts = number.divideAndRemainder(base);
            name.append(ALPHABET.charAt(parts[1].intValue()));
            number = parts[0];
        }
        return name.reverse().toString();
    }

    /** What the answers to some of the questions cost, by category in the questions' order, and at last all together. */
    public static List<Line> summary(List<MtBenchQuestion> questions, List<MtBenchAnswer> answers) {
        Map<Integer, MtBenchAnswer> byQuestion = new LinkedHashMap<>();
        answers.forEach(answer -> byQuestion.put(answer.questionId(), answer));
        Map<String, Line> lines = new LinkedHashMap<>();
        Line all = new Line("all", 0, 0, 0, 0, 0, 0);
        for (MtBenchQuestion question : questions) {
            MtBenchAnswer answer = byQuestion.get(question.id());
            if (answer != null) {
                Line line = line(question.category(), answer);
                lines.merge(line.category, line, (left, right) -> left.plus(right, left.category));
                all = all.plus(line, all.category);
            }
        }
        List<Line> result = new ArrayList<>(lines.values());
        result.add(all);
        return result;
    }

    private static Line line(String category, MtBenchAnswer answer) {
        Line sum = new Line(category, 1, 0, 0, 0, 0, 0);
        for (MtBenchAnswer.Choice choice : answer.choices()) {
            for (int turn = 0; turn < choice.turns().size(); turn++) {
                int failed = choice.failed(turn) ? 1 : 0;
                sum = sum.plus(
                        new Line(
                                category,
                                0,
                                1 - failed,
                                failed,
                                choice.newTokens().get(turn),
                                choice.steps().get(turn),
                                choice.wallTime().get(turn)),
                        category);
            }
        }
        return sum;
    }
}
