package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.file.Path;

/** No answer of a hub makes a name that leads out of the folder it is resolved against. */
class ListingFuzzTest {
    private static final Path FOLDER = Path.of("/cache/snapshot");

    @FuzzTest(maxDuration = "5s")
    void anyAnswerIsReadOrRefused(byte[] answer) {
        try {
            Listing listing = Listing.parse(answer);
            assertThat(FOLDER.resolve(listing.commit()).getParent()).isEqualTo(FOLDER);
            for (String name : listing.files()) {
                Path file = FOLDER.resolve(name);
                assertThat(file).isEqualTo(file.normalize()).startsWith(FOLDER).isNotEqualTo(FOLDER);
            }
        } catch (HubException e) {
            assertThat(e.getMessage()).doesNotContain("\n", "\u001b");
        }
    }
}
