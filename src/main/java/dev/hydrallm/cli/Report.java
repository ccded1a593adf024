package dev.hydrallm.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Function;

/** What a benchmark found. */
interface Report {
    /** How it is printed. */
    enum Format {
        TABLE,
        MARKDOWN,
        JSON
    }

    /** All of it for people. */
    String tables(Function<Table, String> style);

    /** All of it as one JSON object. */
    default String json() throws JsonProcessingException {
        return JsonMapper.builder()
                .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                .build()
                .writeValueAsString(this);
    }

    /** Prints it on stdout. */
    default void print(Format format) throws IOException {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        switch (format) {
            case JSON -> out.println(json());
            case TABLE -> out.print(tables(Table::text));
            case MARKDOWN -> out.print(tables(Table::markdown));
        }
        out.flush();
    }
}
