package dev.hydrallm.cli;

import java.io.Console;

/** What the program talks to. */
final class Terminals {
    private Terminals() {}

    /** Whether a person reads and types, rather than a pipe or a file. */
    @SuppressWarnings("SystemConsoleNull") // Java 25's default console is null when redirected, as before 22
    static boolean isTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }
}
