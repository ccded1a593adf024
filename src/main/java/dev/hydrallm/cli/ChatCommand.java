package dev.hydrallm.cli;

import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Conversation;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jline.utils.Signals;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

@Command(
        name = "chat",
        sortOptions = false,
        description = "Talks with a model in the terminal.",
        footer = {
            "",
            "In the chat, !!help lists the commands; an empty line leaves.",
            "Example:  hydra chat --temperature 0 --max-tokens 200"
        })
final class ChatCommand implements Callable<Integer> {
    @Mixin
    ChatTemplateOption chatTemplate = new ChatTemplateOption();

    @Option(
            names = {"--system", "--conv-system-msg"},
            paramLabel = "TEXT",
            description = "The system message. Default: the template's.")
    String system = "";

    @Option(names = "--no-history", description = "Each question alone: the model does not see those before it.")
    boolean noHistory;

    @Option(
            names = "--style",
            paramLabel = "STYLE",
            description = "simple, rich (a line editor with a history, accepted drafts tinted, live figures) or"
                    + " programmatic. Default: rich on a terminal, else simple.")
    ChatStyle.@Nullable Name style;

    @Option(
            names = "--multiline",
            description = "Messages of several lines: Alt-Enter sends (rich), or Ctrl-D on an empty line (simple).")
    boolean multiline;

    @Option(names = "--mouse", description = "The mouse moves the cursor while a message is edited (rich).")
    boolean mouse;

    @Mixin
    SamplingOptions sampling = new SamplingOptions();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    @ParentCommand
    @Nullable
    Cli parent;

    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    @Override
    public Integer call() throws IOException {
        sampling.rule();
        try (TextModel model = Models.load(modelOptions)) {
            String name = templateName(model);
            @Nullable String text = chatTemplate.text();
            ChatTemplate template = text == null ? model.template() : ChatTemplate.of(text, model.tokenizer());
            try (ChatStyle shown = open(ChatRoles.of(name))) {
                ChatSession session = new ChatSession(
                        model,
                        modelOptions,
                        sampling,
                        shown,
                        template,
                        Conversation.start(name, system),
                        noHistory ? ChatSession.Memory.NONE : ChatSession.Memory.ALL,
                        parent != null && parent.debug);
                onInterrupt(shown, session);
                banner(model, name).lines().forEach(shown::notice);
                session.run();
            }
        }
        return 0;
    }

    /** A built-in template's name, else where the template came from. */
    private String templateName(TextModel model) {
        if (chatTemplate.given != null) {
            return chatTemplate.given;
        }
        String packed = model.pack().manifest().chatTemplate();
        return packed.equals(ChatTemplate.RAW) || packed.equals(ChatTemplate.VICUNA) ? packed : model.name();
    }

    private String banner(TextModel model, String template) {
        int context = model.limits().contextLength();
        String nature = template.equals(ChatTemplate.RAW)
                ? "It has no chat template, so it goes on with the text you type"
                        + (modelOptions.model == null ? " (Python code: try def fibonacci(n):)" : "")
                        + (sampling.maxTokens == null
                                ? ",\n" + ChatSession.continuation(context) + " tokens at a time (--max-tokens)."
                                : ".")
                : "Template: " + template + ".";
        return model.name() + ", context " + context + " tokens. " + nature
                + "\nAn empty line leaves, !!help lists the commands.";
    }

    private ChatStyle open(ChatRoles roles) throws IOException {
        boolean terminal = Terminals.isTerminal();
        ChatStyle.Name chosen = style != null ? style : terminal ? ChatStyle.Name.RICH : ChatStyle.Name.SIMPLE;
        return switch (chosen) {
            case PROGRAMMATIC -> new ProgrammaticStyle(System.in, out, System.err);
            case SIMPLE -> simple(roles);
            case RICH -> terminal ? rich(roles) : simple(roles);
        };
    }

    private ChatStyle simple(ChatRoles roles) {
        SimpleStyle.Input input = multiline ? SimpleStyle.Input.MANY_LINES : SimpleStyle.Input.ONE_LINE;
        return new SimpleStyle(System.in, out, System.err, roles, input);
    }

    /** Only here the line editor's classes are loaded. */
    private ChatStyle rich(ChatRoles roles) throws IOException {
        Terminal terminal = TerminalBuilder.builder().system(true).dumb(true).build();
        if (terminal.getType().startsWith(Terminal.TYPE_DUMB)) {
            terminal.close();
            return simple(roles);
        }
        return new RichStyle(
                terminal,
                RichStyle.historyFile(),
                roles,
                multiline ? RichStyle.Enter.BREAKS_THE_LINE : RichStyle.Enter.SENDS,
                mouse ? RichStyle.Mouse.MOVES_THE_CURSOR : RichStyle.Mouse.IGNORED);
    }

    /** Ctrl-C drops the answer that is being written; at a prompt it clears the line. */
    private void onInterrupt(ChatStyle shown, ChatSession session) {
        if (shown instanceof RichStyle rich) {
            rich.onInterrupt(session::interrupt);
        } else if (Terminals.isTerminal()) {
            Signals.register("INT", () -> {
                if (!session.interrupt()) {
                    out.print("\n" + ChatRoles.of(templateShown(session)).question());
                    out.flush();
                }
            });
        }
    }

    private static String templateShown(ChatSession session) {
        return session.conversation().templateName();
    }
}
