package dev.hydrallm.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Function;

/** What a command measured: a record, which is its own JSON, and tables of it for people. */
interface Report {
    /** How results are printed. */
    enum Format {
        TABLE,
        MARKDOWN,
        JSON
    }

    /** All of it for people, every table in the given style. */
    String tables(Function<Table, String> style);

    /** Prints it to stdout. */
    default void print(Format format) throws JsonProcessingException {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        switch (format) {
            case JSON -> out.println(json());
            case TABLE -> out.print(tables(Table::text));
            case MARKDOWN -> out.print(tables(Table::markdown));
        }
        out.flush();
    }

    private String json() throws JsonProcessingException {
        return JsonMapper.builder()
                .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                .build()
                .writeValueAsString(this);
    }
}
