package dev.hydrallm.training.data;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.prompt.Transcript;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Has a model answer documents' questions itself, several at once, so that draft heads learn what the base says rather than what
 * somebody else said. A document that is in the output already is not asked again.
 */
public final class Distillation {
    private static final JsonMapper JSON = new JsonMapper();

    /**
     * Texts are gone on with from their first tokens.
     *
     * @param tokenizer that cuts them
     * @param tokens that are given
     */
    public record Continuation(Tokenizer tokenizer, int tokens) {
        public Continuation {
            if (tokens < 1) {
                throw new IllegalArgumentException("a text is gone on with from 1 token at least, not " + tokens);
            }
        }
    }

    /**
     * What became of the documents.
     *
     * @param answered documents
     * @param earlier documents that were answered before
     * @param skipped documents without a question
     * @param refused documents that the model would not answer
     */
    public record Result(long answered, long earlier, long skipped, long refused) {}

    /**
     * Where answers go.
     *
     * @param options that they depend on, by name: a file with answers under others is not gone on with
     */
    public record Output(Path file, Map<String, String> options) {
        public Output {
            options = Collections.unmodifiableMap(new LinkedHashMap<>(options));
        }
    }

    /** Who is told. */
    public interface Listener {
        /** How many documents are done with, of all. */
        void done(long documents, long all);

        /** Something that a person should know. */
        void notice(String line);
    }

    private final Generator generator;
    private final ChatTemplate template;
    private final Optional<Continuation> continuation;
    private final DistilledFile out;
    private final Map<String, String> options;
    private final Listener listener;
    private final long all;
    private final AtomicLong done = new AtomicLong();
    private final AtomicLong answered = new AtomicLong();
    private final AtomicLong refused = new AtomicLong();
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    private long earlier;
    private long skipped;

    private Distillation(
            Generator generator,
            ChatTemplate template,
            Optional<Continuation> continuation,
            DistilledFile out,
            Map<String, String> options,
            Listener listener,
            long all) {
        this.generator = generator;
        this.template = template;
        this.continuation = continuation;
        this.out = out;
        this.options = options;
        this.listener = listener;
        this.all = all;
    }

    /**
     * Answers all documents.
     *
     * @param template that the answers will be learnt with
     * @param continuation of texts; without it conversations are answered
     * @param parallel documents at once
     * @param most documents, then it ends
     * @throws DataFormatException if a file is not what it should be
     */
    public static Result run(
            Generator generator,
            ChatTemplate template,
            Optional<Continuation> continuation,
            List<Inputs.Source> sources,
            Output output,
            int parallel,
            long most,
            Listener listener)
            throws IOException {
        try (DistilledFile out =
                DistilledFile.open(output.file(), new DistilledFile.Asked(generator.model(), output.options()))) {
            Distillation distillation = new Distillation(
                    generator, template, continuation, out, output.options(), listener, Math.min(most, count(sources)));
            distillation.readAll(sources, parallel, most);
            return new Result(
                    distillation.answered.get(),
                    distillation.earlier,
                    distillation.skipped,
                    distillation.refused.get());
        }
    }

    private static long count(List<Inputs.Source> sources) throws IOException {
        long[] count = {0};
        DocumentReader.read(sources, entry -> count[0]++, bytes -> {});
        return count[0];
    }

    /** Ends the reading when there is enough, or when nothing works any more. */
    private static final class Enough extends RuntimeException {
        private static final long serialVersionUID = 1;

        Enough() {
            super(null, null, false, false);
        }
    }

    private void readAll(List<Inputs.Source> sources, int parallel, long most) throws IOException {
        Semaphore places = new Semaphore(parallel);
        long[] number = {0};
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            try {
                DocumentReader.read(
                        sources,
                        entry -> {
                            if (number[0] == most || failure.get() != null) {
                                throw new Enough();
                            }
                            Optional<Question> question = entry instanceof Entry.Found found
                                    ? Question.of(found.document(), number[0], continuation)
                                    : Optional.empty();
                            number[0]++;
                            if (question.isEmpty()) {
                                skipped++;
                                tellDone();
                            } else if (out.holds(question.get().id())) {
                                earlier++;
                                tellDone();
                            } else {
                                places.acquireUninterruptibly();
                                threads.execute(() -> {
                                    try {
                                        ask(question.get());
                                    } finally {
                                        tellDone();
                                        places.release();
                                    }
                                });
                            }
                        },
                        bytes -> {});
            } catch (Enough e) {
                // What was begun is finished.
            }
        }
        Throwable failed = failure.get();
        if (failed instanceof Error error) {
            throw error;
        }
        if (failed instanceof RuntimeException exception) {
            throw exception;
        }
    }

    private void tellDone() {
        listener.done(done.incrementAndGet(), all);
    }

    private void ask(Question question) {
        if (failure.get() != null) {
            return;
        }
        try {
            out.add(
                    switch (question) {
                        case Question.Turns turns -> answerTurns(turns);
                        case Question.Beginning beginning -> complete(beginning);
                    });
            answered.incrementAndGet();
        } catch (Generator.RefusedException e) {
            refused.incrementAndGet();
            listener.notice("document " + question.number() + " is left out: " + e.getMessage());
        } catch (RuntimeException | Error e) {
            failure.compareAndSet(null, e);
        }
    }

    /** Answers question after question, each with what it answered before. */
    private ObjectNode answerTurns(Question.Turns turns) {
        List<Message> said = new ArrayList<>();
        Transcript.Finish finish = Transcript.Finish.WHOLE;
        for (Message message : turns.messages()) {
            said.add(message);
            if (message.role().equals(Message.USER)) {
                Generator.Answer answer = generator.answer(List.copyOf(said), turns.number());
                said.add(new Message(Message.ASSISTANT, template.contentOf(answer.text())));
                finish = answer.finish();
                if (finish == Transcript.Finish.CUT) {
                    break; // nobody would go on after half an answer
                }
            }
        }
        ObjectNode sample = sample(turns, finish);
        ArrayNode messages = sample.putArray("messages");
        said.forEach(message -> messages.addObject().put("role", message.role()).put("content", message.content()));
        return sample;
    }

    private ObjectNode complete(Question.Beginning beginning) {
        Generator.Answer answer = generator.complete(beginning.text(), beginning.ids(), beginning.number());
        ObjectNode sample = sample(beginning, answer.finish())
                .put("prompt", beginning.text())
                .put("completion", answer.text());
        Document.Ids ids = answer.ids();
        if (ids != null) {
            sample.put("tokenizer", ids.tokenizer());
            sample.set("prompt_ids", JSON.valueToTree(ids.prompt()));
            sample.set("completion_ids", JSON.valueToTree(ids.completion()));
        }
        return sample;
    }

    private ObjectNode sample(Question question, Transcript.Finish finish) {
        ObjectNode sample = JSON.createObjectNode()
                .put("id", question.id())
                .put("model", generator.model())
                .put("finish_reason", finish == Transcript.Finish.WHOLE ? "stop" : "length");
        sample.set("options", JSON.valueToTree(options));
        return sample;
    }
}
