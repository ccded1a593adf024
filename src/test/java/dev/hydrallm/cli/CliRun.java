package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** A command run in this process, with all that it printed. */
record CliRun(int exitCode, String out, String err) {

    static CliRun of(String command, Object... arguments) {
        return with(Map.of(), command, arguments);
    }

    static CliRun with(Map<String, String> environment, String command, Object... arguments) {
        String[] words = new String[arguments.length + 1];
        words[0] = command;
        for (int i = 0; i < arguments.length; i++) {
            words[i + 1] = arguments[i].toString();
        }
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        ByteArrayOutputStream told = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(told, true, StandardCharsets.UTF_8));
        try {
            int code = Cli.run(environment::get, words);
            return new CliRun(code, printed.toString(StandardCharsets.UTF_8), told.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    /** It failed with one line that says so. */
    static void assertRefused(CliRun run, String... parts) {
        assertRefused(run, Cli.FAILED, parts);
    }

    static void assertRefused(CliRun run, int exitCode, String... parts) {
        assertThat(run.exitCode()).isEqualTo(exitCode);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines())
                .singleElement()
                .asString()
                .startsWith("hydra: ")
                .contains(parts);
    }
}
