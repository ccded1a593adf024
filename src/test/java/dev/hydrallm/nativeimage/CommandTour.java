package dev.hydrallm.nativeimage;

import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;

/** Runs commands of the program one after the other in one process, which is faster than a process for each. */
public final class CommandTour {
    private CommandTour() {}

    /**
     * Ends with 1 when a command fails.
     *
     * @param arguments a file with a command a line, its words separated by blanks; classes that are initialized too
     */
    public static void main(String... arguments) throws Exception {
        Method run = Class.forName("dev.hydrallm.cli.Cli").getDeclaredMethod("run", String[].class);
        run.setAccessible(true);
        for (String command : Files.readAllLines(Path.of(arguments[0]))) {
            if (!Integer.valueOf(0).equals(run.invoke(null, (Object) command.split(" ", -1)))) {
                System.err.println("failed: " + command);
                System.exit(1);
            }
        }
        for (int i = 1; i < arguments.length; i++) {
            Class.forName(arguments[i]);
        }
        System.exit(0);
    }
}
