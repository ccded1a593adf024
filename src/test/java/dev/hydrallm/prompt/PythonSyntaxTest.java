package dev.hydrallm.prompt;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** The rewriting of expressions, whatever they are. */
class PythonSyntaxTest {
    private static final List<String> PIECES = List.of(
            "a",
            "not",
            "is",
            "in",
            "if",
            "else",
            "and",
            "or",
            " ",
            " ",
            "1",
            ",",
            ":",
            "::",
            "-",
            "=",
            "==",
            "%",
            "|",
            ".",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "'",
            "\"",
            "\\",
            "'s'",
            "'%d'",
            "loop.previtem",
            "loop.nextitem.b",
            "é");

    /** What Python and the library read alike. */
    private static final List<String> PLAIN = List.of(
            "a", "b.c", "(a)", "[a, 'b']", "{'k': a}", "a[1]", "a[1:2]", "'s' ~ a", "f(a, 2)", "f(x='y')", "not a");

    @Provide
    Arbitrary<String> anything() {
        return Arbitraries.of(PIECES).list().ofMaxSize(40).map(pieces -> String.join("", pieces));
    }

    @Provide
    Arbitrary<String> plain() {
        return Arbitraries.of(PLAIN).list().ofMinSize(1).ofMaxSize(5).map(parts -> String.join(" and ", parts));
    }

    @Property(tries = 20_000)
    void anyCodeIsRewrittenOrRefused(@ForAll("anything") String code) {
        try {
            assertThat(PythonSyntax.rewrite(code, Optional.of("items"))).isNotNull();
        } catch (IllegalArgumentException e) {
            assertThat(e).hasMessageStartingWith("the chat template nests more than");
        }
    }

    @Property
    void whatBothReadAlikeStaysAsItIs(@ForAll("plain") String code) {
        assertThat(PythonSyntax.rewrite(code, Optional.empty())).isEqualTo(code);
    }
}
