package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.testing.FakeHub;
import dev.hydrallm.testing.FakeHub.Fault;
import dev.hydrallm.testing.FakeHub.Request;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Pulls over connections that break, and of contents that are wrong. */
class BrokenTransferTest extends PulledModel {
    @Test
    void anInterruptedPullLeavesNoHalfFileAndFetchesOnlyTheRest() {
        fake.fail(WEIGHTS, Fault.dropAfter(200_000));
        assertThatThrownBy(() -> hub(ONE_TRY).pull(Repository.parse(MODEL), List.of(), told))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("org/model/model.safetensors");
        Path folder = cache.resolve("models--org--model");
        Path partial = folder.resolve("blobs").resolve(FakeHub.etag(WEIGHTS, weights) + ".incomplete");
        long kept = partial.toFile().length();
        assertThat(kept).isBetween(1L, 200_000L);
        assertThat(folder.resolve("blobs").resolve(FakeHub.etag(WEIGHTS, weights)))
                .doesNotExist();
        assertThat(folder.resolve("snapshots").resolve(FakeHub.COMMIT).resolve(WEIGHTS))
                .doesNotExist();
        assertThat(folder.resolve("refs/main")).doesNotExist();

        fake.forget();
        Hub.Snapshot pulled = pull();
        assertThat(pulled.directory().resolve(WEIGHTS)).hasBinaryContent(weights);
        assertThat(partial).doesNotExist();
        assertThat(fake.downloads(WEIGHTS)).extracting(Request::range).containsExactly("bytes=" + kept + "-");
        assertThat(pulled.fetched() - (weights.length - kept)).isBetween(0L, 100L);
    }

    @Test
    void aPullGoesOnAfterEachBreak() {
        fake.fail(
                WEIGHTS,
                Fault.dropAfter(100_000),
                Fault.dropAfter(50_000),
                Fault.dropAfter(20_000),
                Fault.dropAfter(20_000),
                Fault.dropAfter(20_000));
        assertThat(pull().directory().resolve(WEIGHTS)).hasBinaryContent(weights);
        assertThat(fake.downloads(WEIGHTS))
                .hasSize(6)
                .extracting(request -> request.range().isEmpty()
                        ? 0
                        : Long.parseLong(request.range().replaceAll("\\D", "")))
                .doesNotHaveDuplicates()
                .isSorted();
    }

    @Test
    void aContentThatEndsEarlyInGoodOrderIsGoneOnWith() {
        fake.fail(WEIGHTS, Fault.truncateTo(1_000));
        assertThat(pull().directory().resolve(WEIGHTS)).hasBinaryContent(weights);
        assertThat(fake.downloads(WEIGHTS)).extracting(Request::range).containsExactly("", "bytes=1000-");
    }

    @Test
    void aHubThatIgnoresRangesIsReadFromTheBeginning() {
        fake.fail(WEIGHTS, Fault.dropAfter(100_000), Fault.ignoreRange());
        assertThat(pull().directory().resolve(WEIGHTS)).hasBinaryContent(weights);
    }

    @Test
    void aHubThatAlwaysBreaksAtTheSameByteIsGivenUp() {
        Fault broken = (exchange, content, from) -> Fault.dropAfter(5_000).answer(exchange, content, 0);
        fake.fail(WEIGHTS, broken, broken, broken, broken, broken, broken);
        assertRefused("given up after 3 tries");
    }

    @Test
    void aSilentConnectionIsGivenUpAndGoneOnWith() {
        Patience impatient = new Patience(Duration.ofMillis(10), 3, Duration.ofMillis(300));
        fake.fail(WEIGHTS, Fault.stallAfter(10_000, 5_000));
        assertThat(pull(impatient).directory().resolve(WEIGHTS)).hasBinaryContent(weights);
        assertThat(fake.downloads(WEIGHTS)).hasSize(2);
        assertThat(told.notices).anyMatch(line -> line.contains("nothing came for "));
    }

    @Test
    void aWrongContentIsDeletedAndReported() {
        fake.fail(WEIGHTS, Fault.corrupt());
        assertRefused("model.safetensors: what came hashes to ", " instead of " + FakeHub.etag(WEIGHTS, weights));
        assertNothingOf(WEIGHTS);
    }

    @Test
    void aWrongSmallFileIsDeletedAndReported() {
        fake.fail("config.json", Fault.corrupt());
        assertRefused("config.json: what came hashes to ");
        assertNothingOf("config.json");
    }

    @Test
    void aWrongBeginningFromElsewhereIsFound() throws IOException {
        Path blobs = Files.createDirectories(cache.resolve("models--org--model/blobs"));
        Files.write(blobs.resolve(FakeHub.etag(WEIGHTS, weights) + ".incomplete"), new byte[1_000]);
        assertRefused("model.safetensors: what came hashes to ");
        assertThat(pull().directory().resolve(WEIGHTS)).hasBinaryContent(weights);
    }

    @Test
    void aContentLongerThanAnnouncedIsDeletedAndReported() {
        fake.fail(WEIGHTS, Fault.tooMuch());
        assertRefused("model.safetensors: the hub sends more than the 300000 bytes");
        assertNothingOf(WEIGHTS);
    }

    @Test
    void aBusyHubIsLeftAloneAsLongAsItAsks() {
        fake.fail(WEIGHTS, Fault.status(429, "1"), Fault.status(503, "0"));
        long begun = System.nanoTime();
        assertThat(pull().directory().resolve(WEIGHTS)).hasBinaryContent(weights);
        assertThat(Duration.ofNanos(System.nanoTime() - begun)).isGreaterThanOrEqualTo(Duration.ofSeconds(1));
        assertThat(told.notices).contains("org/model/model.safetensors: 127.0.0.1 answers 429; trying again in 1 s");
    }

    @Test
    void anAddressThatExpiredIsAskedForAgain() {
        fake.fail(WEIGHTS, Fault.status(403, ""), Fault.status(404, ""));
        assertThat(pull().directory().resolve(WEIGHTS)).hasBinaryContent(weights);
    }

    @Test
    void aHubThatWantsHoursIsNotWaitedFor() {
        fake.fail(WEIGHTS, Fault.status(429, "7200"));
        assertRefused("asks for 7200 s of silence");
    }

    @Test
    void whatWasGivenUpIsNotTriedAgain() {
        Backoff backoff = new Backoff("file", QUICK, told::notice);
        assertThatThrownBy(() -> backoff.pause(new IOException(new InterruptedException())))
                .isInstanceOf(HubException.class)
                .hasMessage("interrupted");
        assertThat(Thread.interrupted()).isTrue();
        assertThat(told.notices).isEmpty();
    }

    private void assertNothingOf(String file) {
        Path folder = cache.resolve("models--org--model");
        assertThat(folder.resolve("snapshots").resolve(FakeHub.COMMIT).resolve(file))
                .doesNotExist();
        assertThat(folder.resolve("refs/main")).doesNotExist();
        Set<String> others = Arrays.stream(new String[] {WEIGHTS, "config.json", "tokenizer.json"})
                .filter(name -> !name.equals(file))
                .collect(Collectors.toSet());
        assertThat(names(folder.resolve("blobs"))).hasSizeLessThanOrEqualTo(others.size());
    }
}
