package dev.hydrallm.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Templates of well-known models, and what Python's Jinja makes of them. */
class JinjaTemplateTest {
    private static final Message SYSTEM = new Message("system", "You are a cat.");
    private static final Message HI = new Message("user", "Hi {{ 7*7 }}");
    private static final Message HELLO = new Message("assistant", "Meow!");
    private static final Message BYE = new Message("user", "Bye");

    private static String model(String name, Message... messages) {
        try (InputStream in = JinjaTemplateTest.class.getResourceAsStream("/templates/" + name + ".jinja")) {
            byte[] bytes = Objects.requireNonNull(in, name).readAllBytes();
            return render(new String(bytes, StandardCharsets.UTF_8), messages);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String render(String template, Message... messages) {
        return new JinjaTemplate(template).render(List.of(messages), "<s>", "</s>");
    }

    @Test
    void llama2() {
        assertThat(model("llama-2", SYSTEM, HI, HELLO, BYE))
                .isEqualTo("<s>[INST] <<SYS>>\nYou are a cat.\n<</SYS>>\n\nHi {{ 7*7 }} [/INST] Meow! </s>"
                        + "<s>[INST] Bye [/INST]");
        assertThat(model("llama-2", HI)).isEqualTo("<s>[INST] Hi {{ 7*7 }} [/INST]");
    }

    @Test
    void llama3() {
        assertThat(model("llama-3", SYSTEM, HI))
                .isEqualTo("<s><|start_header_id|>system<|end_header_id|>\n\nYou are a cat.<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nHi {{ 7*7 }}<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n");
    }

    @Test
    void llama31() {
        assertThat(model("llama-3.1", SYSTEM, HI, HELLO, BYE))
                .isEqualTo("<s><|start_header_id|>system<|end_header_id|>\n\n"
                        + "Cutting Knowledge Date: December 2023\n\nYou are a cat.<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nHi {{ 7*7 }}<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\nMeow!<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n");
    }

    @Test
    void mistral() {
        assertThat(model("mistral", HI, HELLO, BYE))
                .isEqualTo("<s>[INST] Hi {{ 7*7 }} [/INST]Meow!</s>[INST] Bye [/INST]");
    }

    @Test
    void qwen25() {
        assertThat(model("qwen2.5", HI, HELLO, BYE)).isEqualTo("""
                <|im_start|>system
                You are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>
                <|im_start|>user
                Hi {{ 7*7 }}<|im_end|>
                <|im_start|>assistant
                Meow!<|im_end|>
                <|im_start|>user
                Bye<|im_end|>
                <|im_start|>assistant
                """);
        assertThat(model("qwen2.5", SYSTEM, BYE)).isEqualTo("""
                <|im_start|>system
                You are a cat.<|im_end|>
                <|im_start|>user
                Bye<|im_end|>
                <|im_start|>assistant
                """);
    }

    @Test
    void zephyrAndTinyLlama() {
        assertThat(model("zephyr", SYSTEM, HI, HELLO, BYE)).isEqualTo("""
                <|system|>
                You are a cat.</s>
                <|user|>
                Hi {{ 7*7 }}</s>
                <|assistant|>
                Meow!</s>
                <|user|>
                Bye</s>
                <|assistant|>
                """);
    }

    @Test
    void aTemplatesOwnRefusalIsTold() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> model("mistral", SYSTEM, HI))
                .withMessage("the chat template refuses this conversation: Conversation roles must alternate"
                        + " user/assistant/user/assistant/...");
    }

    @ParameterizedTest
    @CsvSource(delimiterString = "=>", textBlock = """
            {% for m in messages %}{{ loop.first }}{{ loop.last }} {% endfor %} => 'truefalse falsetrue '
            {% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }} => 2
            {{ tools is none }}{{ tools is not none }}{% if tools %}T{% endif %} => truefalse
            {{ messages[0].nope }}{{ nope.nope }}{{ messages[0].content.nope }} => ''
            {% for m in messages if m.role == 'assistant' %}{{ loop.index }}{{ loop.last }}{% endfor %} => 1true
            {% for k, v in messages[0].items() if k == 'role' %}{{ k }}={{ v }}{% endfor %} => role=user
            {% for m in messages[::-1] %}{{ m.role }} {% endfor %} => 'assistant user '
            {{- 'a' -}}   x   {{- 'b' }} c => axb c
            {{ ' a '.strip() + 'xax'.strip('x') + 'axx'.rstrip('x') + 'xxa'.lstrip('x') }} => aaaa
            {{ 'a.b'.split('.')[-1] }}{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith('b') }}{{ 'a'.upper() }} => btruefalseA
            {{ 'the cat'.title() }}{{ 'aXb'.replace('X', '-') }}{{ '\\u00e9' }} => The Cata-bé
            {{ {'a': {'b': 1}}['a']['b'] }}{{ '}}' }}{% if '%}' %}y{% endif %} => 1}}y
            {% generation %}kept{% endgeneration %}{# dropped #} => kept
            {% raw %}{{ x }}{% endraw %} => {{ x }}
            {%- macro f(x, y='q') -%} [{{ x }}{{ y }}] {%- endmacro -%}{{ f('a') }} => [aq]
            { {%- if true %}a{% endif %} } => '{a }'
            """)
    void readsAsPythonDoes(String template, String expected) {
        assertThat(render(template, BYE, HELLO)).isEqualTo(expected);
    }

    @Test
    void linesOfTagsLeaveNothing() {
        assertThat(render("    {% if true %}\n  a\n    {% endif %}\nb\n")).isEqualTo("  a\nb");
        assertThat(render("{% if true -%}\n\n  a\n{%- endif +%}\nb\n\n")).isEqualTo("a\nb\n");
        assertThat(render("x {% if true %} a {% endif %}\n\ny")).isEqualTo("x  a \ny");
    }

    @Test
    void datesAreWrittenAsPythonWritesThem() {
        LocalDateTime time = LocalDateTime.of(2026, 2, 3, 15, 4, 5);
        assertThat(TemplateFunctions.strftime(time, "%d %b %Y %-d %B %y")).isEqualTo("03 Feb 2026 3 February 26");
        assertThat(TemplateFunctions.strftime(time, "%A, %a: it's %H:%M:%S %I %p %j%% %F"))
                .isEqualTo("Tuesday, Tue: it's 15:04:05 03 PM 034% 2026-02-03");
        assertThat(render("{{ strftime_now('%Y') }}")).matches("\\d{4}");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for a in range(10**9) %}{% for b in range(10**9) %}{% for c in range(9999) %}{{ c }}{% endfor %}"
                        + "{% endfor %}{% endfor %}",
                "{% for a in range(99999) %}{% for b in range(99999) %}" + "{% endfor %}{% endfor %}",
                "{% for a in range(99999) %}{% for b in range(99999) %}xxxxxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
                "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                "{% set ns = namespace(s='xx') %}{% for i in range(99) %}{% set ns.s = ns.s.replace('x', 'xxx') %}"
                        + "{% endfor %}",
                "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
                "{% macro f(x) %}{{ g(x) }}{{ g(x) }}{% endmacro %}{% macro g(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}"
                        + "{{ f(1) }}",
                "{{ 'x' * 1000000000 }}",
                "{{ 'x'.repeat(1000000000) }}",
                "{{ messages.getClass() }}",
                "{{ messages.class }}",
                "{{ ''.getClass().forName('java.lang.Runtime') }}",
                "{{ messages[0].getClass().getClassLoader() }}",
                "{{ ____int3rpr3t3r____.getContext() }}",
                "{% include 'application.properties' %}",
                "{% include '/etc/hostname' %}",
                "{% import 'application.properties' as x %}",
                "{% from 'application.properties' import x %}",
                "{% extends 'application.properties' %}",
                "{{ '{{ 1 }}'|render }}",
                "{{ nosuchfunction() }}",
                "{{ 'a'|nosuchfilter }}",
                "{% nosuchtag %}",
                "{{ a b c }}",
                "{{ 'a' ",
                "{% if true %}",
                "{% endfor %}"
            })
    void hostileAndBrokenTemplatesAreRefused(String template) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new JinjaTemplate(template, java.time.Duration.ofMillis(300))
                        .render(List.of(BYE), "<s>", "</s>"))
                .withMessageStartingWith("the ")
                .withMessageContaining("chat template");
    }

    @Test
    void whatTakesTooLongSaysSo() {
        JinjaTemplate endless = new JinjaTemplate(
                "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = 1 %}{% endfor %}{% endfor %}",
                java.time.Duration.ofMillis(50));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> endless.render(List.of(BYE), "", ""))
                .withMessage("the model's chat template cannot be rendered: it takes longer than 50 ms");
    }

    @Test
    void attributesOfPythonObjectsAreNothing() {
        assertThat(render("{{ ''.__class__ }}{{ ''.__class__.__mro__ }}{{ messages[0].class }}", BYE))
                .isEmpty();
    }

    @Test
    void deepNestingIsRefused() {
        String deep = "{% if true %}".repeat(5000) + "{% endif %}".repeat(5000);
        assertThatIllegalArgumentException().isThrownBy(() -> render(deep, BYE));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> render("{{ " + "(".repeat(20_000) + "1" + ")".repeat(20_000) + " }}", BYE));
        assertThatIllegalArgumentException().isThrownBy(() -> new JinjaTemplate("x".repeat(1 << 20)));
    }
}
