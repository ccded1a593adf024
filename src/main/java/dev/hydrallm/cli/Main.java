package dev.hydrallm.cli;

import dev.hydrallm.serving.StartPhases;
import io.quarkus.runtime.annotations.QuarkusMain;

/**
 * The program's entry. Only {@code serve} boots Quarkus; every other command is a plain Java program, which starts
 * faster and opens no port.
 */
@QuarkusMain
public final class Main {
    private Main() {}

    /** Runs a command and ends the process with its exit code. */
    public static void main(String... arguments) {
        StartPhases.ofProcess().reached("jvm");
        System.exit(Cli.run(arguments));
    }
}
