package dev.hydrallm.prompt;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A model's own Jinja chat template in a sandbox: no Java objects, no nested interpretation of what a user wrote, and
 * bounds on depth, loops and output. Immutable and thread-safe.
 */
final class JinjaTemplate {
    private static final int LONGEST_TEMPLATE = 1 << 20;
    private static final int LONGEST_OUTPUT = 8 << 20;
    private static final String RAISED = "raise_exception: ";

    private final String text;
    private final Jinjava jinjava;

    JinjaTemplate(String text) {
        if (text.length() > LONGEST_TEMPLATE) {
            throw new IllegalArgumentException("the chat template is longer than " + LONGEST_TEMPLATE + " characters");
        }
        this.text = text;
        this.jinjava = new Jinjava(JinjavaConfig.newBuilder()
                .withTrimBlocks(true)
                .withLstripBlocks(true)
                .withKeepTrailingNewline(false)
                .withNestedInterpretationEnabled(false)
                .withMaxRenderDepth(20)
                .withMaxMacroRecursionDepth(20)
                .withMaxListSize(100_000)
                .withMaxMapSize(100_000)
                .withRangeLimit(100_000)
                .withMaxOutputSize(LONGEST_OUTPUT)
                .withMaxStringLength(LONGEST_OUTPUT)
                .withMaxNumDeferredTokens(1)
                .withValidationMode(false)
                .withLegacyOverrides(LegacyOverrides.newBuilder()
                        .withEvaluateMapKeys(true)
                        .withIterateOverMapKeys(true)
                        .withUsePyishObjectMapper(true)
                        .withUseSnakeCasePropertyNaming(true)
                        .withParseWhitespaceControlStrictly(true)
                        .withUseNaturalOperatorPrecedence(true)
                        .build())
                .build());
        register("raise_exception", String.class);
        register("strftime_now", String.class);
    }

    private void register(String name, Class<?>... parameters) {
        jinjava.getGlobalContext()
                .registerFunction(new ELFunctionDefinition("", name, Functions.class, name, parameters));
    }

    /**
     * Renders a conversation.
     *
     * @throws IllegalArgumentException with the template's own words if it refuses the messages, else with what failed
     */
    String render(List<Message> messages, String bosToken, String eosToken) {
        Map<String, Object> variables = Map.of(
                "messages",
                messages.stream()
                        .map(message -> Map.of("role", message.role(), "content", message.content()))
                        .collect(Collectors.toList()),
                "add_generation_prompt",
                true,
                "bos_token",
                bosToken,
                "eos_token",
                eosToken);
        RenderResult result;
        try {
            result = jinjava.renderForResult(text, variables);
        } catch (InterpretException e) {
            throw new IllegalArgumentException(explain(String.valueOf(e.getMessage())), e);
        }
        result.getErrors().stream()
                .filter(error -> error.getSeverity() == TemplateError.ErrorType.FATAL)
                .findFirst()
                .ifPresent(error -> {
                    throw new IllegalArgumentException(explain(error.getMessage()));
                });
        return result.getOutput();
    }

    private static String explain(String message) {
        int raised = message.indexOf(RAISED);
        return raised >= 0
                ? "the chat template refuses this conversation: "
                        + message.substring(raised + RAISED.length())
                                .lines()
                                .findFirst()
                                .orElse("")
                : "the model's chat template cannot be rendered: " + message.replaceAll("\\s*\\R\\s*", "; ");
    }

    /** What templates may call; the library asks for public static methods. */
    public static final class Functions {
        private Functions() {}

        /** Lets a template refuse a conversation. */
        public static Object raise_exception(String message) {
            throw new IllegalArgumentException(RAISED + message);
        }

        /** The present time by a format of strftime. */
        public static String strftime_now(String format) {
            String pattern = format.replace("'", "''")
                    .replaceAll("([^%])?%d", "$1dd")
                    .replace("%b", "MMM")
                    .replace("%B", "MMMM")
                    .replace("%Y", "yyyy")
                    .replace("%m", "MM")
                    .replace("%H", "HH")
                    .replace("%M", "mm")
                    .replace("%S", "ss");
            return LocalDateTime.now(java.time.ZoneId.systemDefault())
                    .format(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH));
        }
    }
}
