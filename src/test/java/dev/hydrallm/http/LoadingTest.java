package dev.hydrallm.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.serving.ModelOpener;
import dev.hydrallm.serving.ServingConfig;
import dev.hydrallm.serving.TextModel;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Alternative;
import java.net.URI;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/** A server whose model is not there yet: alive, not ready, and never a 4xx. */
@QuarkusTest
@TestProfile(LoadingTest.Endless.class)
class LoadingTest {
    /** The configuration. */
    public static final class Endless implements QuarkusTestProfile {
        @Override
        public Set<Class<?>> getEnabledAlternatives() {
            return Set.of(EndlessOpener.class);
        }
    }

    /** A model that takes longer than any test. */
    @Alternative
    @ApplicationScoped
    public static class EndlessOpener implements ModelOpener {
        private final CountDownLatch never = new CountDownLatch(1);

        @Override
        public TextModel open(ServingConfig config) {
            try {
                never.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            throw new IllegalStateException("the test is over");
        }
    }

    @TestHTTPResource("/")
    URI base;

    @Test
    void requestsAreToldWhenToComeBack() {
        try (Api api = new Api(base)) {
            assertThat(api.get("/q/health/live").status()).isEqualTo(200);
            assertThat(api.get("/q/health/started").status()).isEqualTo(503);
            assertThat(api.get("/q/health/ready").status()).isEqualTo(503);
            List<Api.Answer> answers = List.of(
                    api.get("/v1/models"),
                    api.post("/v1/completions", "{\"prompt\":\"x\"}"),
                    api.post("/v1/completions", "no JSON at all"),
                    api.post("/v1/chat/completions", "{}"),
                    api.post("/tokenize", "{}"));
            for (Api.Answer answer : answers) {
                assertThat(answer.status()).isEqualTo(503);
                assertThat(answer.error().path("type").asText()).isEqualTo("unavailable_error");
                assertThat(Integer.parseInt(answer.header("retry-after"))).isBetween(1, 60);
            }
        }
    }
}
