package dev.hydrallm.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.LocalDateTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What Python's Jinja makes of templates, and what a hostile one can do. */
class JinjaTemplateTest {
    private static final Message HELLO = new Message("assistant", "Meow!");
    private static final Message BYE = new Message("user", "Bye");

    private static String render(String template, Message... messages) {
        return new JinjaTemplate(template).render(List.of(messages), "<s>", "</s>");
    }

    @ParameterizedTest
    @CsvSource(delimiterString = "=>", textBlock = """
            {% for m in messages %}{{ loop.first }}{{ loop.last }} {% endfor %} => 'TrueFalse FalseTrue '
            {% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }} => 2
            {{ tools is none }}{{ tools is not none }}{% if tools %}T{% endif %} => TrueFalse
            {{ messages[0].nope }}{{ nope.nope }}{{ messages[0].content.nope }} => ''
            {% for m in messages if m.role == 'assistant' %}{{ loop.index }}{{ loop.last }}{% endfor %} => 1True
            {% for k, v in messages[0].items() if k == 'role' %}{{ k }}={{ v }}{% endfor %} => role=user
            {% for m in messages[::-1] %}{{ m.role }} {% endfor %} => 'assistant user '
            {{- 'a' -}}   x   {{- 'b' }} c => axb c
            {{ ' a '.strip() + 'xax'.strip('x') + 'axx'.rstrip('x') + 'xxa'.lstrip('x') }} => aaaa
            {{ 'a.b'.split('.')[-1] }}{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith('b') }}{{ 'a'.upper() }} => bTrueFalseA
            {{ 'the cat'.title() }}{{ 'aXb'.replace('X', '-') }}{{ '\\u00e9' }} => The Cata-bé
            {{ {'a': {'b': 1}}['a']['b'] }}{{ '}}' }}{% if '%}' %}y{% endif %} => 1}}y
            {% generation %}kept{% endgeneration %}{# dropped #} => kept
            {% raw %}{{ x }}{% endraw %} => {{ x }}
            {{ messages[0].content[0] }}{{ 'añc'[-2] }}{{ 'abc'[7] }} => Bñ
            {{ 'abcdef'[::2] }} {{ 'abcdef'[4:1:-1] }} {{ 'abc'[::-1][0] }} {{ [1, 2, 3][-9:9:2]|join(',') }} => ace edc c 1,3
            {% set x = {'a': [1, 2, 3]} %}{{ x['a'][::-1]|join('-') }}{{ x.a[1:]|join('-') }} => 3-2-12-3
            {{ '%s is %d%%' % ('a', 5) }} {{ '%05.1f|%-3s|%3d' % (2.25, 'b', 7) }} {{ "%s" % messages[0].role }} => 'a is 5% 002.3|b  |  7 user'
            {{ '%s' % (1 == 1) }}{{ 7 % 4 }}{{ true|string }} => True3True
            {% for m in messages %}{{ loop.previtem.role }}<{{ m.role }}>{{ loop.nextitem.role }} {% endfor %} => '<user>assistant user<assistant> '
            {% for m in messages if m.role == 'user' %}{{ loop.nextitem is defined }}{{ loop.previtem is none }}{% endfor %} => FalseTrue
            {% for a in [1, 2] %}{% for b in 'xy'|list %}{{ loop.previtem }}{% endfor %}{{ loop.nextitem }}{% endfor %} => x2x
            {{ {'a': [1, true, none, 'ü"'], 'b': {}}|tojson }} => {"a": [1, true, null, "ü\\""], "b": {}}
            {% for k, v in {'a': 1, 'b': 2}|items %}{{ k }}{{ v }}{% endfor %} => a1b2
            {% set x = [1] %}{{ not x is none }}{{ not y is defined }}{{ not x|length == 2 }}{{ 2 not in x }}{{ x is not none }} => TrueTrueTrueTrueTrue
            {{ not true and x is none or not(false) }}{% if not x is defined and not y is defined %}y{% endif %} => Truey
            {% set ns = namespace(a=messages|length - 1, b='x' ~ 'y') %}{{ ns.a }}{{ ns.b }} => 1xy
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
                "{{ 'abc'[::0] }}",
                "{{ '%s %s' % 'a' }}",
                "{{ '%s' % ('a', 'b') }}",
                "{{ '%c' % 1 }}",
                "{{ '%d' % 'x' }}",
                "{{ loop|tojson }}{{ range|tojson }}{{ ____int3rpr3t3r____|tojson }}",
                "{{ [1]|tojson(indent=1000000000) }}",
                "{{ 'a'|items }}",
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
        assertThatIllegalArgumentException().isThrownBy(() -> render("{{ " + "not ".repeat(50_000) + "x }}", BYE));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> render("{{ " + "a[".repeat(50_000) + "::]".repeat(50_000) + " }}", BYE));
        String deep = "{% if true %}".repeat(5000) + "{% endif %}".repeat(5000);
        assertThatIllegalArgumentException().isThrownBy(() -> render(deep, BYE));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> render("{{ " + "(".repeat(20_000) + "1" + ")".repeat(20_000) + " }}", BYE));
        assertThatIllegalArgumentException().isThrownBy(() -> new JinjaTemplate("x".repeat(1 << 20)));
    }
}
