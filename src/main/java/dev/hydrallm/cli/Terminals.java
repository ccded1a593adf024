package dev.hydrallm.cli;

import java.io.Console;
import java.util.Objects;

/** What the program talks to. */
final class Terminals {
    private Terminals() {}

    /** Whether a person reads and types, rather than a pipe or a file. */
    static boolean isTerminal() {
        Console console = Objects.requireNonNull(System.console());
        return console.isTerminal();
    }
}
