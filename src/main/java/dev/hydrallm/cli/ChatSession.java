package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Conversation;
import dev.hydrallm.serving.Generation;
import dev.hydrallm.serving.GenerationRequest;
import dev.hydrallm.serving.GenerationResult;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** One person's chat with a model: messages, commands, answers. One thread's, but {@link #interrupt} is any thread's. */
final class ChatSession {
    /** Leaves the chat, as an empty message does. */
    static final String EXIT = "!!exit";

    static final String HELP = """
            !!exit       leave; so do an empty message and the end of input
            !!reset      forget the conversation
            !!remove     forget the last question and its answer
            !!regen      answer the last question again
            !!save FILE  save the conversation (.json is added to a name without a dot)
            !!load FILE  go on with a saved conversation
            !!help       these lines
            Ctrl-C drops an answer while it is written.""";

    /** Decoding steps of an answer when nothing else is asked for. */
    private static final int DEFAULT_STEPS = 512;
    /** A question must leave this part of the context to its answer, or the oldest exchange goes. */
    private static final int ROOM_PART = 4;

    /** Whether a turn sees those before it. */
    enum Memory {
        ALL,
        NONE
    }

    private final TextModel model;
    private final ModelOptions modelOptions;
    private final SamplingOptions sampling;
    private final ChatStyle style;
    private final Memory memory;
    private final boolean debug;
    private final @Nullable Long givenSeed;
    private final AtomicReference<@Nullable Generation> running = new AtomicReference<>();

    private ChatTemplate template;
    private Conversation conversation;
    /** How often the last question was asked. */
    private int attempt;

    ChatSession(
            TextModel model,
            ModelOptions modelOptions,
            SamplingOptions sampling,
            ChatStyle style,
            ChatTemplate template,
            Conversation start,
            Memory memory,
            boolean debug) {
        this.model = model;
        this.modelOptions = modelOptions;
        this.sampling = sampling;
        this.style = style;
        this.template = template;
        this.conversation = start;
        this.memory = memory;
        this.debug = debug;
        this.givenSeed = sampling.seed;
    }

    /** Talks until the person leaves. */
    void run() throws IOException {
        for (Optional<String> said = style.read(); said.isPresent(); said = style.read()) {
            String message = said.get();
            if (message.isEmpty() || message.strip().equals(EXIT)) {
                break;
            }
            try {
                if (isCommand(message)) {
                    command(message.strip());
                } else {
                    attempt = 0;
                    answer(message, conversation);
                }
            } catch (IllegalArgumentException | IllegalStateException | CompletionException | IOException e) {
                style.notice("hydra: " + Cli.oneLine(e));
                if (debug) {
                    e.printStackTrace();
                }
            }
        }
    }

    /** Drops the answer that is being written; false when there is none. */
    boolean interrupt() {
        Generation generation = running.get();
        if (generation != null) {
            generation.cancel();
        }
        return generation != null;
    }

    /** What was said so far. */
    Conversation conversation() {
        return conversation;
    }

    static boolean isCommand(String message) {
        return message.startsWith("!!");
    }

    private void command(String message) throws IOException {
        String[] words = message.split("\\s+", 2);
        String argument = words.length == 2 ? words[1] : "";
        switch (words[0]) {
            case "!!reset" -> {
                conversation = conversation.cleared();
                style.notice("The conversation is forgotten.");
            }
            case "!!remove" -> {
                requireExchange();
                conversation = conversation.withoutLast();
                style.notice("The last question and its answer are forgotten.");
            }
            case "!!regen" -> regenerate();
            case "!!save" -> save(file(words[0], argument));
            case "!!load" -> load(file(words[0], argument));
            case "!!help" -> style.notice(HELP);
            default -> style.notice("There is no command " + words[0] + "; !!help lists them.");
        }
    }

    private String requireExchange() {
        return conversation.lastQuestion().orElseThrow(() -> new IllegalStateException("nothing has been said yet"));
    }

    private void regenerate() {
        String question = requireExchange();
        attempt++;
        answer(question, conversation.withoutLast());
    }

    private static Path file(String command, String argument) {
        Path file = Path.of(argument);
        if (argument.isEmpty() || file.getFileName() == null) {
            throw new IllegalArgumentException(command + " needs a file name");
        }
        return file;
    }

    private void save(Path named) throws IOException {
        Path file = named.getFileName().toString().contains(".") ? named : Path.of(named + ".json");
        Files.writeString(file, conversation.toJson());
        style.notice("Saved as " + file + ".");
    }

    private void load(Path named) throws IOException {
        Path file = Files.exists(named) ? named : Path.of(named + ".json");
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException("there is no file " + named);
        }
        Conversation loaded;
        try {
            loaded = Conversation.fromJson(Texts.decode(Files.readAllBytes(file), file.toString()));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(file + " cannot be loaded: " + e.getMessage(), e);
        }
        String name = loaded.templateName();
        if (!name.equals(conversation.templateName())) {
            if (name.equals(ChatTemplate.RAW) || name.equals(ChatTemplate.VICUNA)) {
                template = ChatTemplate.of(name, model.tokenizer());
            } else {
                style.notice("It was held with the template " + name + ", which is not known here; going on with "
                        + conversation.templateName() + ".");
                loaded = new Conversation(
                        conversation.templateName(), loaded.systemMessage(), loaded.turns(), loaded.offset());
            }
        }
        conversation = loaded;
        style.notice("Loaded " + file + ": " + loaded.exchanges() + " exchange(s).");
    }

    private void answer(String question, Conversation before) {
        Conversation history = memory == Memory.ALL ? before : before.cleared();
        StopRules stops = stops();
        Prompt prompt = fit(history, question, stops.maxTokens());
        if (givenSeed == null) {
            sampling.seed = null;
        } else {
            sampling.seed = givenSeed + attempt;
        }
        AcceptanceRule rule = sampling.rule();
        GenerationRequest request = new GenerationRequest(
                prompt.ids(), rule, Models.speculation(model, modelOptions), stops, sampling.stop);
        if (debug) {
            style.notice("[" + prompt.ids().length + " prompt tokens: "
                    + template.render(prompt.history().ask(question)) + "]");
        }
        ChatStyle.Answer shown = style.answer();
        GenerationResult result;
        try {
            Generation generation = model.generate(request, shown);
            running.set(generation);
            result = generation.result().join();
        } finally {
            running.set(null);
            shown.end();
        }
        if (result.finishReason() == FinishReason.CANCELLED) {
            style.notice("[dropped]");
            return;
        }
        conversation = prompt.history().with(question, result.text());
        style.notice(GenerateCommand.summary(result, rule));
    }

    private record Prompt(Conversation history, int[] ids) {}

    /** Forgets the oldest exchanges until an answer has room. */
    private Prompt fit(Conversation whole, String question, int maxTokens) {
        int context = model.limits().contextLength();
        int room = Math.min(maxTokens, context / ROOM_PART);
        Conversation history = whole;
        int[] ids = template.encode(history.ask(question));
        while (ids.length > context - room && history.exchanges() > 0) {
            history = history.withoutOldest();
            ids = template.encode(history.ask(question));
        }
        if (ids.length >= context) {
            throw new IllegalArgumentException("the message makes a prompt of " + ids.length
                    + " tokens, and the context holds " + context + " with the answer: shorten it");
        }
        int forgotten = whole.exchanges() - history.exchanges();
        if (forgotten > 0) {
            style.notice("[the context of " + context + " tokens is full: the oldest " + forgotten
                    + " exchange(s) are forgotten]");
        }
        return new Prompt(history, ids);
    }

    private StopRules stops() {
        StopRules stops = sampling.stops(model.endTokens(), DEFAULT_STEPS);
        boolean endless = conversation.templateName().equals(ChatTemplate.RAW) && sampling.maxTokens == null;
        return endless
                ? new StopRules(stops.endTokens(), continuation(model.limits().contextLength()), stops.maxSteps())
                : stops;
    }

    /** Tokens of an answer of a model that only continues text: nothing tells it where to end. */
    static int continuation(int contextLength) {
        return Math.max(1, contextLength / ROOM_PART);
    }
}
