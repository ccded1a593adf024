package dev.hydrallm.prompt;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.core.util.Separators.Spacing;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.objects.SafeString;
import com.hubspot.jinjava.objects.collections.PyList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import jinjava.javax.el.ELException;
import org.jspecify.annotations.Nullable;

/** Filters and tests that the library does not have, or that answer otherwise than Python's. */
final class TemplateFilters {
    private static final JsonMapper JSON = new JsonMapper();
    private static final int WIDEST_INDENT = 16;

    private TemplateFilters() {}

    /** Adds them to a template's context. */
    static void register(Context context) {
        context.registerFilter(filter("tojson", TemplateFilters::json));
        context.registerFilter(filter("items", (value, arguments) -> items(value)));
        context.registerFilter(filter("string", (value, arguments) -> PythonOutput.text(value)));
        // A string is a sequence of characters.
        for (String name : List.of("iterable", "sequence")) {
            context.registerExpTest(test(
                    name, value -> value instanceof Iterable || value instanceof Map || value instanceof CharSequence));
        }
    }

    private static ExpTest test(String name, Predicate<@Nullable Object> body) {
        return new ExpTest() {
            @Override
            public String getName() {
                return name;
            }

            @Override
            public boolean evaluate(@Nullable Object value, JinjavaInterpreter interpreter, Object... arguments) {
                return body.test(value);
            }
        };
    }

    private interface Body {
        @Nullable
        Object apply(@Nullable Object value, Map<String, Object> named);
    }

    private static Filter filter(String name, Body body) {
        return new Filter() {
            @Override
            public String getName() {
                return name;
            }

            @Override
            public @Nullable Object filter(@Nullable Object value, JinjavaInterpreter interpreter, String... args) {
                return body.apply(value, Map.of());
            }

            @Override
            public @Nullable Object filter(
                    @Nullable Object value, JinjavaInterpreter interpreter, Object[] args, Map<String, Object> named) {
                return body.apply(value, named);
            }
        };
    }

    /** As {@code json.dumps} writes it: a blank after commas and colons, or indented. */
    private static String json(@Nullable Object value, Map<String, Object> named) {
        int indent = named.get("indent") instanceof Number number ? number.intValue() : 0;
        if (indent < 0 || indent > WIDEST_INDENT) {
            throw new ELException("tojson indents by 0 to " + WIDEST_INDENT + " blanks, not " + indent);
        }
        try {
            return JSON.writer(printer(indent)).writeValueAsString(data(value));
        } catch (JsonProcessingException e) {
            throw new ELException("tojson: " + e.getOriginalMessage(), e);
        }
    }

    private static DefaultPrettyPrinter printer(int indent) {
        Separators separators = Separators.createDefaultInstance()
                .withObjectFieldValueSpacing(Spacing.AFTER)
                .withObjectEmptySeparator("")
                .withArrayEmptySeparator("");
        if (indent == 0) {
            separators = separators.withObjectEntrySpacing(Spacing.AFTER).withArrayValueSpacing(Spacing.AFTER);
        }
        DefaultPrettyPrinter.Indenter indenter =
                indent == 0 ? DefaultPrettyPrinter.NopIndenter.instance : new DefaultIndenter(" ".repeat(indent), "\n");
        DefaultPrettyPrinter printer = new DefaultPrettyPrinter(separators);
        printer.indentObjectsWith(indenter);
        printer.indentArraysWith(indenter);
        return printer;
    }

    /** Only what JSON has: a template may not look into other objects by printing them. */
    private static @Nullable Object data(@Nullable Object value) {
        return switch (value) {
            case null -> null;
            case String text -> text;
            case SafeString text -> text.toString();
            case Number number -> number;
            case Boolean truth -> truth;
            case Map<?, ?> map -> {
                Map<String, @Nullable Object> copy = new LinkedHashMap<>();
                map.forEach((key, each) -> copy.put(String.valueOf(key), data(each)));
                yield copy;
            }
            case Iterable<?> list -> {
                List<@Nullable Object> copy = new ArrayList<>();
                list.forEach(each -> copy.add(data(each)));
                yield copy;
            }
            default ->
                throw new ELException(
                        "tojson cannot write a " + value.getClass().getSimpleName());
        };
    }

    private static Object items(@Nullable Object value) {
        if (value instanceof Map<?, ?> map) {
            return new PyList(new ArrayList<>(map.entrySet()));
        }
        throw new ELException("the filter items is for mappings");
    }
}
