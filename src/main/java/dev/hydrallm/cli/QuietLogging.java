package dev.hydrallm.cli;

import java.util.logging.Level;
import java.util.logging.Logger;
import org.slf4j.LoggerFactory;

/** The libraries' own messages do not belong between a command's lines: warnings and worse only, to stderr. */
final class QuietLogging {
    /** Strong references, or the levels are lost with the loggers. */
    private static final Logger ROOT = Logger.getLogger("");

    private QuietLogging() {}

    static void install() {
        ROOT.setLevel(Level.WARNING);
        // Two threads that make it start at once would make it complain.
        LoggerFactory.getILoggerFactory();
    }
}
