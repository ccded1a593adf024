package dev.hydrallm.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import picocli.CommandLine.Option;

/** How a command prints what it measured. */
final class ReportOptions {
    @Option(
            names = "--format",
            paramLabel = "FORMAT",
            defaultValue = "table",
            description = "What is printed on stdout: table, markdown or json. Default: ${DEFAULT-VALUE}.")
    Report.Format format = Report.Format.TABLE;

    void print(Report report) throws JsonProcessingException {
        report.print(format);
    }
}
