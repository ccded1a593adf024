package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RepositoryTest {
    @Test
    void aRevisionMayFollowTheName() {
        assertThat(Repository.parse("lmsys/vicuna-7b-v1.3")).isEqualTo(new Repository("lmsys/vicuna-7b-v1.3", "main"));
        assertThat(Repository.parse("org/name@refs/pr/1")).isEqualTo(new Repository("org/name", "refs/pr/1"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "name",
                "/org/name",
                "org/name/more",
                "./name",
                "../name",
                "org/..",
                "org/.git",
                "~/name",
                "org/na me",
                "org\\name",
                "a--b/name",
                "org/a..b",
                "C:/name",
                "org/",
                "http://hub/name"
            })
    void aPathIsNoRepository(String text) {
        assertThat(Repository.looksLikeOne(text)).isFalse();
        assertThatThrownBy(() -> Repository.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "../../evil", "/evil", "a//b", "a/../b", "a b", "a\\b", "a\nb"})
    void aRevisionIsNoPathOutOfTheCache(String revision) {
        assertThatThrownBy(() -> new Repository("org/name", revision))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("is no revision");
    }
}
