package dev.hydrallm.prompt;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.el.JinjavaProcessors;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A model's own Jinja chat template in a sandbox: no Java objects, no files, no nested interpretation of what a user
 * wrote, and bounds on time, depth, loops and output. Immutable and thread-safe.
 */
final class JinjaTemplate {
    private static final int LONGEST_TEMPLATE = 256 << 10;
    private static final int LONGEST_OUTPUT = 8 << 20;
    private static final int DEEPEST = 20;
    private static final Duration TIME_LIMIT = Duration.ofSeconds(2);

    /** When the rendering on this thread must be done, by {@link System#nanoTime}. */
    private static final ScopedValue<Long> DEADLINE = ScopedValue.newInstance();

    private final String text;
    private final Duration timeLimit;
    private final Jinjava jinjava;

    JinjaTemplate(String text) {
        this(text, TIME_LIMIT);
    }

    JinjaTemplate(String text, Duration timeLimit) {
        if (text.length() > LONGEST_TEMPLATE) {
            throw new IllegalArgumentException("the chat template is longer than " + LONGEST_TEMPLATE + " characters");
        }
        this.timeLimit = timeLimit;
        this.jinjava = new Jinjava(JinjavaConfig.newBuilder()
                .withTrimBlocks(false)
                .withLstripBlocks(false)
                .withKeepTrailingNewline(true)
                .withElResolver(TemplateMethods.resolver())
                .withExecutionMode(PythonOutput.mode())
                .withNestedInterpretationEnabled(false)
                .withMaxRenderDepth(DEEPEST)
                .withMaxMacroRecursionDepth(DEEPEST)
                .withMaxListSize(100_000)
                .withMaxMapSize(100_000)
                .withRangeLimit(100_000)
                .withMaxOutputSize(LONGEST_OUTPUT)
                .withMaxStringLength(LONGEST_OUTPUT)
                .withMaxNumDeferredTokens(1)
                .withValidationMode(false)
                .withDisabled(Map.of(
                        Context.Library.TAG, Set.of("include", "import", "from", "extends"),
                        Context.Library.FILTER, Set.of("render")))
                .withProcessors(JinjavaProcessors.newBuilder()
                        .withNodePreProcessor((node, interpreter) -> checkTime())
                        .build())
                .withLegacyOverrides(LegacyOverrides.newBuilder()
                        .withEvaluateMapKeys(true)
                        .withIterateOverMapKeys(true)
                        .withUsePyishObjectMapper(true)
                        .withUseSnakeCasePropertyNaming(true)
                        .withUseNaturalOperatorPrecedence(true)
                        .build())
                .build());
        jinjava.setResourceLocator((name, charset, interpreter) -> {
            throw new IllegalArgumentException("a chat template may not read " + name);
        });
        jinjava.getGlobalContext().registerTag(new GenerationTag());
        TemplateFilters.register(jinjava.getGlobalContext());
        register("raise_exception", String.class);
        register("strftime_now", String.class);
        this.text = TemplateSource.translate(
                text, name -> jinjava.getGlobalContext().getFilter(name) != null);
    }

    private void register(String name, Class<?>... parameters) {
        jinjava.getGlobalContext()
                .registerFunction(new ELFunctionDefinition("", name, TemplateFunctions.class, name, parameters));
    }

    /** Runs before every part of a template that is rendered, in loops and macros each time. */
    private static void checkTime() {
        if (System.nanoTime() - DEADLINE.get() > 0) {
            throw new TooSlow();
        }
    }

    /** A conversation up to where the assistant's next answer begins, as {@link #render(List, ChatTemplate.End, String, String)}. */
    String render(List<Message> messages, String bosToken, String eosToken) {
        return render(messages, ChatTemplate.End.GENERATION_PROMPT, bosToken, eosToken);
    }

    /**
     * Renders a conversation.
     *
     * @throws IllegalArgumentException with the template's own words if it refuses the messages, else with what failed
     */
    String render(List<Message> messages, ChatTemplate.End end, String bosToken, String eosToken) {
        Map<String, Object> variables = Map.of(
                "messages",
                messages.stream()
                        .map(message -> Map.of("role", message.role(), "content", message.content()))
                        .collect(Collectors.toList()),
                "add_generation_prompt",
                end == ChatTemplate.End.GENERATION_PROMPT,
                "bos_token",
                bosToken,
                "eos_token",
                eosToken);
        RenderResult result;
        try {
            result = ScopedValue.where(DEADLINE, System.nanoTime() + timeLimit.toNanos())
                    .call(() -> jinjava.renderForResult(text, variables));
        } catch (InterpretException | TooSlow e) {
            throw refusal(String.valueOf(e.getMessage()), e);
        } catch (StackOverflowError e) {
            throw refusal("it nests too deeply", e);
        }
        // Warnings too: they tell of parts that were left out.
        result.getErrors().stream().findFirst().ifPresent(error -> {
            throw refusal(error.getMessage(), error.getException());
        });
        return result.getOutput();
    }

    private IllegalArgumentException refusal(String message, @Nullable Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof TemplateFunctions.Raised raised) {
                return new IllegalArgumentException(
                        "the chat template refuses this conversation: " + oneLine(raised.getMessage()), thrown);
            }
            if (cause instanceof TooSlow) {
                message = "it takes longer than " + timeLimit.toMillis() + " ms";
            }
        }
        return new IllegalArgumentException(
                "the model's chat template cannot be rendered: " + oneLine(message), thrown);
    }

    private static String oneLine(@Nullable String message) {
        return String.valueOf(message).strip().replaceAll("\\s*\\R\\s*", "; ");
    }

    /** The time of a rendering is over. */
    private static final class TooSlow extends RuntimeException {
        private static final long serialVersionUID = 1;
    }
}
