package dev.hydrallm.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** With a key nothing but health is open, whatever the path looks like. */
@QuarkusTest
@TestProfile(ApiKeyTest.WithKey.class)
class ApiKeyTest {
    /** With what a configuration would expand. */
    private static final String KEY = "s3cret${x}$$\\w";

    /** The configuration. */
    public static final class WithKey implements QuarkusTestProfile {
        @Override
        public Map<String, String> getConfigOverrides() {
            return Map.of("hydra.api-key", KEY);
        }
    }

    @TestHTTPResource("/")
    URI base;

    @Test
    void everyRouteButHealthNeedsTheKey() {
        try (Api api = new Api(base)) {
            api.awaitReady();
            for (String path : List.of(
                    "/",
                    "/index.html",
                    "/v1/models",
                    "//v1/models",
                    "/v1/./models",
                    "/V1/models",
                    "/v1/completions",
                    "/tokenize",
                    "/q/metrics",
                    "/q/openapi",
                    "/q/health/../metrics",
                    "/q/healthy",
                    "/nothing")) {
                Api.Answer answer = api.get(path);
                assertThat(answer.status()).as(path).isEqualTo(401);
                assertThat(answer.error().path("type").asText()).isEqualTo("authentication_error");
            }
            assertThat(api.post("/v1/completions", "{\"prompt\":\"x\"}").status())
                    .isEqualTo(401);
        }
    }

    @Test
    void onlyTheExactKeyOpens() {
        try (Api api = new Api(base)) {
            api.awaitReady();
            for (String wrong : List.of("Bearer S3CRET", "Bearer s3cre", "Bearer s3crets", "bearer", KEY, "Basic !")) {
                assertThat(api.send(api.request("/v1/models")
                                        .header("Authorization", wrong)
                                        .GET())
                                .status())
                        .as(wrong)
                        .isEqualTo(401);
            }
            String basic = Base64.getEncoder().encodeToString(("me:" + KEY).getBytes(StandardCharsets.UTF_8));
            for (String right : List.of("Bearer " + KEY, "bearer " + KEY, "Basic " + basic)) {
                assertThat(api.send(api.request("/v1/models")
                                        .header("Authorization", right)
                                        .GET())
                                .status())
                        .isEqualTo(200);
            }
        }
    }
}
