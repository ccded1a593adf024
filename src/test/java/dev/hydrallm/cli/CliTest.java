package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import org.junit.jupiter.api.Test;

/** What a person reads of an error. */
class CliTest {
    @Test
    void aWrappedErrorSaysWhatTheWrappedOneWould() {
        AccessDeniedException denied = new AccessDeniedException("/home/me");
        for (RuntimeException wrapped :
                new RuntimeException[] {new UncheckedIOException(denied), new UncheckedIOException("/home/me", denied)
                }) {
            assertThat(Cli.oneLine(wrapped)).isEqualTo("permission denied: /home/me");
        }
        assertThat(Cli.oneLine(new UncheckedIOException("the disk is full?", new IOException("no room"))))
                .isEqualTo("the disk is full?");
    }
}
