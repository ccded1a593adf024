package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.cli.ChatSession.Memory;
import dev.hydrallm.decoding.TokenSink.Origin;
import dev.hydrallm.prompt.Conversation;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.serving.TextModel;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Chats with the demo model in a small context. */
class ChatSessionTest {
    private static final int CONTEXT = 128;
    private static final ModelOptions OPTIONS = new ModelOptions();
    private static @Nullable TextModel loaded;

    @BeforeAll
    static void load() {
        OPTIONS.model = Path.of("models", "demo");
        OPTIONS.threads = 1;
        OPTIONS.context = CONTEXT;
        loaded = Models.load(OPTIONS);
    }

    @AfterAll
    static void close() {
        model().close();
    }

    static TextModel model() {
        if (loaded == null) {
            throw new IllegalStateException();
        }
        return loaded;
    }

    private static SamplingOptions sampling(String... arguments) {
        SamplingOptions options = new SamplingOptions();
        new CommandLine(options).setCaseInsensitiveEnumValuesAllowed(true).parseArgs(arguments);
        return options;
    }

    static ChatSession session(ChatStyle style, Memory memory, String... arguments) {
        return new ChatSession(
                model(),
                OPTIONS,
                sampling(arguments),
                style,
                model().template(),
                Conversation.start("raw", ""),
                memory,
                false);
    }

    /** A person who says what was written down, and sees everything. */
    private static final class Scripted implements ChatStyle {
        private final Deque<String> messages;
        final List<String> notices = new ArrayList<>();
        final List<String> answers = new ArrayList<>();
        Runnable onText = () -> {};

        Scripted(String... messages) {
            this.messages = new ArrayDeque<>(Arrays.asList(messages));
        }

        @Override
        public Optional<String> read() {
            return Optional.ofNullable(messages.poll());
        }

        @Override
        public Answer answer() {
            StringBuilder text = new StringBuilder();
            return new Answer() {
                @Override
                public void onText(String piece, Origin origin) {
                    text.append(piece);
                    onText.run();
                }

                @Override
                public void end() {
                    answers.add(text.toString());
                }
            };
        }

        @Override
        public void notice(String line) {
            notices.add(line);
        }

        @Override
        public void close() {}
    }

    private static ChatSession talk(Scripted person, String... arguments) throws IOException {
        ChatSession session = session(person, Memory.ALL, arguments);
        session.run();
        return session;
    }

    private static List<String> contents(ChatSession session) {
        return session.conversation().turns().stream().map(Message::content).toList();
    }

    @Test
    void everyAnswerIsFollowedByItsFigures() throws IOException {
        Scripted person = new Scripted("def add(a, b):", "import os");
        talk(person, "--max-tokens", "8");
        assertThat(person.answers).hasSize(2).doesNotContain("");
        assertThat(person.notices)
                .hasSize(2)
                .allMatch(line ->
                        line.matches("\\[8 tokens in [\\d.]+ s: \\d+ tokens/s, [\\d.]+ tokens/step, seed \\d+]"));
    }

    @Test
    void answersSeeWhatWasSaidBefore() throws IOException {
        Scripted person = new Scripted("x = 1", "y = 2");
        ChatSession session = talk(person, "--temperature", "0", "--max-tokens", "6");
        assertThat(contents(session)).containsExactly("x = 1", person.answers.get(0), "y = 2", person.answers.get(1));
        Scripted alone = new Scripted(String.join("\n", "x = 1", person.answers.get(0), "y = 2"));
        talk(alone, "--temperature", "0", "--max-tokens", "6");
        assertThat(alone.answers).containsExactly(person.answers.get(1));
    }

    @Test
    void withoutHistoryEachQuestionIsAlone() throws IOException {
        Scripted person = new Scripted("x = 1", "def f(x):");
        session(person, Memory.NONE, "--temperature", "0", "--max-tokens", "6").run();
        Scripted alone = new Scripted("def f(x):");
        talk(alone, "--temperature", "0", "--max-tokens", "6");
        assertThat(person.answers.getLast()).isEqualTo(alone.answers.getFirst());
    }

    @Test
    void removeResetAndRegenChangeTheConversation() throws IOException {
        Scripted person = new Scripted("a = 1", "b = 2", "!!remove", "!!regen");
        ChatSession session = talk(person, "--max-tokens", "6", "--temperature", "1");
        assertThat(contents(session)).containsExactly("a = 1", person.answers.getLast());
        assertThat(person.answers).hasSize(3);
        assertThat(contents(talk(new Scripted("a = 1", "!!reset"), "--max-tokens", "2")))
                .isEmpty();
    }

    @Test
    void aGivenSeedGivesTheSameAnswerAndRegenAnother() throws IOException {
        Scripted person = new Scripted("def f", "!!regen", "!!reset", "def f");
        talk(person, "--max-tokens", "12", "--temperature", "1", "--seed", "5");
        assertThat(person.answers.get(2)).isEqualTo(person.answers.get(0)).isNotEqualTo(person.answers.get(1));
        assertThat(person.notices.get(1)).endsWith("seed 6]");
    }

    @Test
    void aSavedConversationGoesOn(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("talk");
        ChatSession saved = talk(new Scripted("a = 1", "!!save " + file), "--max-tokens", "4");
        assertThat(folder.resolve("talk.json")).exists();
        ChatSession session = talk(new Scripted("!!load " + file, "b = 2"), "--max-tokens", "4");
        assertThat(contents(session)).hasSize(4).startsWith(contents(saved).toArray(new String[0]));
        talk(new Scripted("!!save " + folder.resolve("a.txt")));
        assertThat(folder.resolve("a.txt")).exists();
    }

    @Test
    void aConversationOfAnotherTemplateBringsItAlong(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("v.json");
        Files.writeString(
                file, Conversation.start("vicuna_v1.1", "S").with("q", "a").toJson());
        ChatSession session = talk(new Scripted("!!load " + file, "x"), "--max-tokens", "2");
        assertThat(session.conversation().templateName()).isEqualTo("vicuna_v1.1");
        Files.writeString(file, Conversation.start("alpaca", "S").with("q", "a").toJson());
        Scripted person = new Scripted("!!load " + file);
        assertThat(talk(person).conversation().templateName()).isEqualTo("raw");
        assertThat(person.notices.getFirst()).contains("alpaca");
    }

    @Test
    void whatGoesWrongIsOneLineAndTheChatGoesOn(@TempDir Path folder) throws IOException {
        Path bad = Files.writeString(folder.resolve("bad.json"), "{\"template_name\":\n 7}");
        Path notText = Files.write(folder.resolve("bytes"), new byte[] {(byte) 0xff, 1});
        Scripted person = new Scripted(
                "!!load " + bad,
                "!!load " + notText,
                "!!load " + folder.resolve("absent"),
                "!!load",
                "!!save",
                "!!save " + folder.resolve("no/such/folder/x"),
                "!!load \0",
                "!!remove",
                "!!regen",
                "!!nonsense",
                "x = 1\n".repeat(200),
                "x");
        ChatSession session = talk(person, "--max-tokens", "2");
        assertThat(person.notices)
                .hasSize(12)
                .allSatisfy(line -> assertThat(line.lines()).hasSize(1));
        assertThat(person.notices.subList(0, 9)).allMatch(line -> line.startsWith("hydra: "));
        assertThat(person.notices.get(10)).contains("shorten it");
        assertThat(contents(session)).hasSize(2);
    }

    @Test
    void theOldestExchangeGoesWhenTheContextIsFull() throws IOException {
        Scripted person = new Scripted("a = 1\nb = 2\n", "c = 3\nd = 4\n", "e = 5\nf = 6\n", "g = 7\n", "h = 8\n");
        ChatSession session = talk(person, "--temperature", "0");
        assertThat(person.answers).hasSize(5);
        assertThat(person.notices).anyMatch(line -> line.contains("the oldest 1 exchange(s) are forgotten"));
        assertThat(contents(session)).doesNotContain("a = 1\nb = 2\n").contains("h = 8\n");
    }

    @Test
    void anInterruptDropsTheTurnAndTheChatGoesOn() throws IOException {
        Scripted person = new Scripted("import os", "x = 1");
        ChatSession session = session(person, Memory.ALL, "--temperature", "0", "--max-tokens", "60");
        boolean[] interrupted = {false};
        person.onText = () -> interrupted[0] = interrupted[0] || session.interrupt();
        session.run();
        assertThat(interrupted[0]).isTrue();
        assertThat(person.notices.getFirst()).isEqualTo("[dropped]");
        assertThat(session.interrupt()).isFalse();
    }

    @Test
    void anEmptyLineExitAndTheEndOfInputLeave() throws IOException {
        for (String leave : List.of("", "!!exit", "!!exit ")) {
            Scripted person = new Scripted(leave, "never read");
            talk(person);
            assertThat(person.answers).isEmpty();
            assertThat(person.read()).contains("never read");
        }
        assertThat(contents(talk(new Scripted()))).isEmpty();
    }

    private record Shown(String out, String notices) {}

    private static Shown programmatic(String input) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream notices = new ByteArrayOutputStream();
        try (ChatStyle style = new ProgrammaticStyle(bytes(input), print(out), print(notices))) {
            session(style, Memory.ALL, "--temperature", "0", "--max-tokens", "4")
                    .run();
        }
        return new Shown(out.toString(StandardCharsets.UTF_8), notices.toString(StandardCharsets.UTF_8));
    }

    static ByteArrayInputStream bytes(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    static PrintStream print(ByteArrayOutputStream out) {
        return new PrintStream(out, true, StandardCharsets.UTF_8);
    }

    private static String answerTo(String question) throws IOException {
        Scripted person = new Scripted(question);
        talk(person, "--temperature", "0", "--max-tokens", "4");
        return person.answers.getFirst();
    }

    @Test
    void programsSeeRolesAndNothingElse() throws IOException {
        String question = "def f(x):\n    é";
        Shown shown = programmatic(question + " __END_OF_A_MESSAGE_47582648__\nunfinished __END_OF");
        assertThat(shown.out())
                .isEqualTo("[!OP:USER]: " + question + "\n[!OP:ASSISTANT]: " + answerTo(question) + "\n");
        assertThat(shown.notices()).contains("tokens/s");
        assertThat(programmatic("!!exit __END_OF_A_MESSAGE_47582648__\n").out()).isEqualTo("[!OP:USER]: !!exit\n");
    }

    @Test
    void simpleShowsQuestionsAndAnswers() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream notices = new ByteArrayOutputStream();
        ChatRoles roles = ChatRoles.of("vicuna_v1.1");
        ChatStyle style = new SimpleStyle(
                bytes("x = 1\n!!help\n"), print(out), print(notices), roles, SimpleStyle.Input.ONE_LINE);
        session(style, Memory.ALL, "--temperature", "0", "--max-tokens", "4").run();
        assertThat(out.toString(StandardCharsets.UTF_8))
                .isEqualTo("USER: ASSISTANT: " + answerTo("x = 1") + "\nUSER: USER: \n");
        assertThat(notices.toString(StandardCharsets.UTF_8))
                .contains("tokens/s")
                .contains("!!save FILE");
    }

    @Test
    void messagesOfManyLinesEndWithTheInput() throws IOException {
        ChatStyle style = new SimpleStyle(
                bytes("a\n\nb\n"), System.out, System.err, ChatRoles.of("raw"), SimpleStyle.Input.MANY_LINES);
        assertThat(style.read()).contains("a\n\nb");
        assertThat(style.read()).isEmpty();
    }
}
