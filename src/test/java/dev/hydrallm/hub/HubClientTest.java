package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HubClientTest {
    private static final URI HUB = URI.create("https://hub.example/org/name/resolve/main/a");

    @Test
    void aRedirectMayBeRelativeOrLeadElsewhere() throws IOException {
        assertThat(HubClient.next(HUB, "/b?x=%2F")).isEqualTo(URI.create("https://hub.example/b?x=%2F"));
        assertThat(HubClient.next(HUB, "https://cdn.example/b")).isEqualTo(URI.create("https://cdn.example/b"));
    }

    @Test
    void anEncryptedConnectionIsNotLeft() {
        assertThatThrownBy(() -> HubClient.next(HUB, "http://hub.example/b"))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("not encrypted");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "file:///etc/passwd", "ftp://hub.example/a", "https://", "https://a b/"})
    void aRedirectToNowhereIsNotFollowed(String location) {
        assertThatThrownBy(() -> HubClient.next(HUB, location)).isInstanceOf(IOException.class);
    }

    @Test
    void anOriginIsSchemeHostAndPort() {
        Origin origin = Origin.of(URI.create("https://Hub.example/a"));
        assertThat(origin).isEqualTo(Origin.of(URI.create("HTTPS://hub.example:443/b")));
        assertThat(origin).isNotEqualTo(Origin.of(URI.create("https://hub.example:8443/")));
        assertThat(origin).isNotEqualTo(Origin.of(URI.create("http://hub.example/")));
        assertThat(origin).isNotEqualTo(Origin.of(URI.create("https://hub.example.evil/")));
    }

    @Test
    void retryAfterIsSecondsOrADate() {
        assertThat(RetryAfter.of(Optional.of("7"))).contains(Duration.ofSeconds(7));
        String date = DateTimeFormatter.RFC_1123_DATE_TIME.format(
                ZonedDateTime.now(ZoneOffset.UTC).plusSeconds(60));
        assertThat(RetryAfter.of(Optional.of(date)).orElseThrow())
                .isBetween(Duration.ofSeconds(50), Duration.ofSeconds(61));
        assertThat(RetryAfter.of(Optional.of("soon"))).isEmpty();
        assertThat(RetryAfter.of(Optional.of("-1"))).isEmpty();
        assertThat(RetryAfter.of(Optional.empty())).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\"abc\"", "W/\"d41d8cd98f00b204e9800998ecf8427e-2\"", "../../evil"})
    void anEtagThatIsNoHashIsRefused(String etag) {
        assertThatThrownBy(() -> ContentHash.ofEtag(etag))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("neither a SHA-256 nor a git blob's SHA-1");
    }
}
