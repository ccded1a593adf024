package dev.hydrallm.cli;

import java.io.PrintWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** {@code hydra} and what all its commands share: help, version, environment variables, one-line errors. */
@Command(
        name = "hydra",
        mixinStandardHelpOptions = true,
        scope = ScopeType.INHERIT,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Serves and runs language models with speculative decoding.",
        subcommands = {
            GenerateCommand.class,
            ChatCommand.class,
            ServeCommand.class,
            PullCommand.class,
            PushCommand.class,
            PackCommand.class,
            InspectCommand.class,
            BenchCommand.class,
            EvalCommand.class,
            DataCommand.class,
            TrainCommand.class,
            RehearseCommand.class
        },
        footer = {
            "",
            "Every option can also be given as an environment variable: --max-tokens is HYDRA_MAX_TOKENS.",
            "Without --model the demo model that is part of the program is used; it completes Python code.",
            "",
            "Try:  hydra generate --prompt 'def fibonacci(n):'",
            "      hydra chat",
            "      hydra serve",
            "",
            "The launcher also knows:  ./hydra test  (runs the whole test suite)"
        })
final class Cli {
    /** Exit code of a command that failed. */
    static final int FAILED = 1;
    /** Exit code of a command line that is wrong. */
    static final int USAGE = 2;
    /** Exit code of a command that was asked to end before its time: what a shell makes of Ctrl-C. */
    static final int INTERRUPTED = 130;

    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "Show the stack of an error.")
    boolean debug;

    private EnvironmentDefaults.Environment environment = System::getenv;

    static int run(String... arguments) {
        return run(System::getenv, arguments);
    }

    /** Runs a command with variables from elsewhere than the process's environment. */
    static int run(EnvironmentDefaults.Environment environment, String... arguments) {
        QuietLogging.install();
        Cli cli = new Cli();
        cli.environment = environment;
        CommandLine line = new CommandLine(cli)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setUsageHelpAutoWidth(true)
                .setExecutionExceptionHandler(Cli::explain)
                .setParameterExceptionHandler(Cli::explainUsage);
        line.setDefaultValueProvider(new EnvironmentDefaults(environment));
        // Quarkus sets the property where it records a start for Java's ahead-of-time cache; its server would end at
        // once.
        String alone = System.clearProperty("quarkus.appcds.generate") == null ? "--help" : "rehearse";
        return line.execute(arguments.length == 0 ? new String[] {alone} : arguments);
    }

    /** Where a command's variables come from. */
    static EnvironmentDefaults.Environment environment(CommandSpec command) {
        return command.root().userObject() instanceof Cli cli ? cli.environment : System::getenv;
    }

    private static int explain(Exception error, CommandLine line, CommandLine.ParseResult parsed) {
        PrintWriter err = line.getErr();
        if (line.getCommandSpec().root().userObject() instanceof Cli cli && cli.debug) {
            error.printStackTrace(err);
        } else {
            err.println("hydra: " + oneLine(error));
        }
        err.flush();
        return FAILED;
    }

    private static int explainUsage(CommandLine.ParameterException error, String[] arguments) {
        PrintWriter err = error.getCommandLine().getErr();
        err.println("hydra: " + oneLine(error) + " (see: "
                + error.getCommandLine().getCommandSpec().qualifiedName() + " --help)");
        err.flush();
        return USAGE;
    }

    /** The first cause that says something, on one line. */
    static String oneLine(Throwable error) {
        Throwable told = error;
        for (Throwable cause = told.getCause();
                cause != null
                        && (told instanceof java.util.concurrent.ExecutionException
                                || told instanceof java.util.concurrent.CompletionException
                                || told.getMessage() == null
                                || told.getMessage().equals(cause.getMessage())
                                || told.getMessage().equals(cause.toString()));
                cause = told.getCause()) {
            told = cause;
        }
        String message = told.getMessage() == null || told.getMessage().isBlank()
                ? told.getClass().getSimpleName()
                : told.getMessage();
        message = switch (told) {
            case NoSuchFileException missing -> "no such file or directory: " + message;
            case AccessDeniedException denied -> "permission denied: " + message;
            case FileSystemException other when other.getReason() == null -> "cannot be used: " + message;
            default -> message;
        };
        return message.strip().replaceAll("\\s*\\R\\s*", "; ");
    }
}
