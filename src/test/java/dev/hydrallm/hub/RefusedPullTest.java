package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.testing.FakeHub;
import dev.hydrallm.testing.FakeHub.Request;
import java.io.IOException;
import java.net.URI;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pulls that end before anything is fetched, and who gets to see the token. */
class RefusedPullTest extends PulledModel {
    @Test
    void theTokenIsForTheHubAlone() throws IOException {
        fake.requireToken("hf_secret");
        new Hub(settings(Optional.of("hf_secret"), HubSettings.Access.ONLINE), QUICK)
                .pull(Repository.parse(MODEL), List.of(), told);
        assertThat(fake.requests())
                .filteredOn(request -> request.server().equals("hub"))
                .extracting(Request::authorization)
                .containsOnly("Bearer hf_secret");
        assertThat(fake.requests())
                .filteredOn(request -> request.server().equals("cdn"))
                .isNotEmpty()
                .extracting(Request::authorization)
                .containsOnly("");
    }

    @Test
    void aGatedModelSaysWhatToDo() {
        fake.requireToken("hf_secret");
        assertRefused("org/model is gated, private or not there (401): accept its licence at " + fake.address()
                + "/org/model and set HF_TOKEN");
        assertThatThrownBy(() -> new Hub(settings(Optional.of("hf_other"), HubSettings.Access.ONLINE), QUICK)
                        .pull(Repository.parse(MODEL), List.of(), told))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("no access (403): accept the licence at ")
                .hasMessageNotContaining("hf_other");
    }

    @Test
    void whatIsNotThereIsNamed() {
        assertThatThrownBy(() -> hub(QUICK).pull(Repository.parse("org/nothing"), List.of(), told))
                .hasMessageContaining("the hub has no repository org/nothing");
        assertThatThrownBy(() -> hub(QUICK).pull(Repository.parse("org/model@v9"), List.of(), told))
                .hasMessageContaining("org/model has no revision v9");
        assertThatThrownBy(() -> hub(QUICK).pull(Repository.parse(MODEL), List.of("*.onnx"), told))
                .hasMessage("org/model: no file matches *.onnx");
    }

    @Test
    void aHubThatIsNotThereIsNamed() {
        HubSettings nowhere =
                new HubSettings(URI.create("http://127.0.0.1:1"), Optional.empty(), cache, HubSettings.Access.ONLINE);
        assertThatThrownBy(() -> new Hub(nowhere, QUICK).open(Repository.parse(MODEL), told))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("org/model: no connection to 127.0.0.1");
    }

    @Test
    void whatDoesNotFitOnTheDiskIsNotBegun() {
        fake.announceSize(1L << 60);
        assertRefused("model.safetensors has 1,152,921,504,606 MB", "make room, or set HF_HUB_CACHE");
        assertThat(fake.downloads(WEIGHTS)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../evil",
                "/etc/evil",
                "a/../../evil",
                "a//evil",
                "./evil",
                "..\\\\evil",
                "C:\\\\evil",
                "",
                "evil\\u0000",
                "evil\\u001b[31m"
            })
    void aHostileNameIsRefusedAndNothingIsFetched(String name) throws IOException {
        fake.listing("{\"sha\": \"" + FakeHub.COMMIT + "\", \"siblings\": [{\"rfilename\": \"config.json\"}, "
                + "{\"rfilename\": \"" + name + "\"}]}");
        assertRefused("which is no name of a file inside a folder; nothing was fetched");
        assertThat(names(cache)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"sha\": \"../../../evil\", \"siblings\": []}", "[]", "{}", "<html>", "", "{\"sha\": 1"})
    void anAnswerThatIsNoListingIsRefused(String answer) throws IOException {
        fake.listing(answer);
        assertRefused("the hub's answer ");
        assertThat(names(cache)).isEmpty();
    }
}
