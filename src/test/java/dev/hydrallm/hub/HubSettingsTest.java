package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HubSettingsTest {
    @TempDir
    Path home;

    @Test
    void withoutVariablesItIsTheHubWithTheUsersCache() {
        HubSettings settings = settings(Map.of());
        assertThat(settings.endpoint()).isEqualTo(URI.create("https://huggingface.co"));
        assertThat(settings.cache()).isEqualTo(home.resolve(".cache/huggingface/hub"));
        assertThat(settings.token()).isEmpty();
        assertThat(settings.access()).isEqualTo(HubSettings.Access.ONLINE);
    }

    @Test
    void theCacheIsWhereTheVariablesSay() {
        assertThat(settings(Map.of("XDG_CACHE_HOME", "/x")).cache()).isEqualTo(Path.of("/x/huggingface/hub"));
        assertThat(settings(Map.of("HF_HOME", "/h", "XDG_CACHE_HOME", "/x")).cache())
                .isEqualTo(Path.of("/h/hub"));
        assertThat(settings(Map.of("HF_HUB_CACHE", "~/c", "HF_HOME", "/h")).cache())
                .isEqualTo(home.resolve("c"));
    }

    @Test
    void theTokenIsTheVariablesElseTheFiles() throws IOException {
        Path hfHome = Files.createDirectories(home.resolve("hf"));
        Files.writeString(hfHome.resolve("token"), "hf_file\n");
        Files.writeString(home.resolve("elsewhere"), "hf_elsewhere");
        Map<String, String> file = Map.of("HF_HOME", hfHome.toString(), "HF_TOKEN", "");
        assertThat(settings(file).token()).contains("hf_file");
        assertThat(settings(Map.of("HF_HOME", hfHome.toString(), "HF_TOKEN", "hf_variable"))
                        .token())
                .contains("hf_variable");
        assertThat(settings(Map.of(
                                "HF_HOME",
                                hfHome.toString(),
                                "HF_TOKEN_PATH",
                                home.resolve("elsewhere").toString()))
                        .token())
                .contains("hf_elsewhere");
    }

    @Test
    void theTokenIsNeverShown() {
        assertThat(settings(Map.of("HF_TOKEN", "hf_secret")).toString()).doesNotContain("hf_secret");
        assertThatThrownBy(() -> settings(Map.of("HF_TOKEN", "hf_secret\r\nX: y")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("HF_TOKEN")
                .hasMessageNotContaining("hf_secret");
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "true", "YES", "On"})
    void offlineIsSaidInManyWords(String value) {
        assertThat(settings(Map.of("HF_HUB_OFFLINE", value)).access()).isEqualTo(HubSettings.Access.OFFLINE);
    }

    @Test
    void zeroIsNotOffline() {
        assertThat(settings(Map.of("HF_HUB_OFFLINE", "0")).access()).isEqualTo(HubSettings.Access.ONLINE);
    }

    @Test
    void anEndpointMayHaveAPath() {
        assertThat(settings(Map.of("HF_ENDPOINT", "http://mirror:8000/hf/")).endpoint())
                .isEqualTo(URI.create("http://mirror:8000/hf"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"ftp://hub", "huggingface.co", "http://", "https://a b", "file:///etc", "http://hub?x=y"})
    void anEndpointThatIsNoAddressIsRefused(String value) {
        assertThatThrownBy(() -> settings(Map.of("HF_ENDPOINT", value)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("HF_ENDPOINT is no address of a hub: " + value);
    }

    private HubSettings settings(Map<String, String> environment) {
        return HubSettings.of(environment::get, home);
    }
}
