package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;

/** No answer of a hub makes a name that leads out of the folder it is resolved against. */
class ListingFuzzTest {
    @FuzzTest(maxDuration = "5s")
    void anyAnswerIsReadOrRefused(byte[] answer) {
        try {
            Listing listing = Listing.parse(answer);
            assertThat(listing.commit()).matches("[0-9a-f]{40}");
            for (String name : listing.files()) {
                assertThat(name).doesNotContain("\\", "\0");
                assertThat(name.split("/", -1)).doesNotContain("", ".", "..");
            }
        } catch (HubException e) {
            assertThat(e.getMessage()).doesNotContain("\n", "\u001b");
        }
    }
}
