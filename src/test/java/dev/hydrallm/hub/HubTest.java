package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.testing.FakeHub;
import dev.hydrallm.testing.FakeHub.Fault;
import dev.hydrallm.testing.FakeHub.Request;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pulls from a hub that does what networks do. */
class HubTest {
    private static final String MODEL = "org/model";
    private static final String WEIGHTS = "model.safetensors";
    private static final Patience QUICK = new Patience(Duration.ofMillis(10), 3, Duration.ofSeconds(2));
    private static final Patience ONE_TRY = new Patience(Duration.ofMillis(10), 1, Duration.ofSeconds(2));

    @TempDir
    Path cache;

    private final byte[] weights = new byte[300_000];
    private final FakeHub fake = new FakeHub();
    private final Told told = new Told();

    HubTest() {
        new Random(1).nextBytes(weights);
        fake.put(MODEL, "config.json", "{\"model_type\": \"llama\"}")
                .put(MODEL, "tokenizer.json", "{}")
                .put(MODEL, WEIGHTS, weights);
    }

    @AfterEach
    void close() {
        fake.close();
    }

    @Test
    void aPullLeavesWhatHuggingfaceHubWouldLeave() throws IOException {
        Hub.Snapshot pulled = pull();
        Path folder = cache.resolve("models--org--model");
        assertThat(pulled.directory()).isEqualTo(folder.resolve("snapshots").resolve(FakeHub.COMMIT));
        assertThat(folder.resolve("refs/main")).hasContent(FakeHub.COMMIT);
        assertThat(pulled.directory().resolve(WEIGHTS)).isSymbolicLink().hasBinaryContent(weights);
        assertThat(Files.readSymbolicLink(pulled.directory().resolve(WEIGHTS)))
                .hasToString("../../blobs/" + FakeHub.etag(WEIGHTS, weights));
        assertThat(names(folder.resolve("blobs")))
                .containsExactlyInAnyOrder(
                        FakeHub.etag(WEIGHTS, weights),
                        FakeHub.etag("tokenizer.json", "{}".getBytes(StandardCharsets.UTF_8)),
                        // git hash-object of the text
                        "230d5f4da0da586aad26ead694ea67cd15bd6df1");
        assertThat(pulled.files()).isEqualTo(3);
        assertThat(pulled.fetched()).isGreaterThan(weights.length);
        assertThat(told.last).isEqualTo(told.total);
    }

    @Test
    void aSecondPullFetchesNothingAndOpeningAsksNothing() throws IOException {
        Path first = pull().directory();
        fake.forget();
        assertThat(pull().fetched()).isZero();
        assertThat(fake.requests()).extracting(Request::path).containsExactly("/api/models/org/model/revision/main");
        fake.forget();
        assertThat(hub(QUICK).open(Repository.parse(MODEL), told)).isEqualTo(first);
        assertThat(fake.requests()).isEmpty();
    }

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

    @Test
    void pullsAtTheSameTimeFetchOnce() throws Exception {
        fake.fail(WEIGHTS, Fault.slow(500));
        try (ExecutorService threads = Executors.newFixedThreadPool(3)) {
            List<Future<Path>> pulls = Stream.generate(
                            () -> threads.submit(() -> hub(QUICK).open(Repository.parse(MODEL), told)))
                    .limit(3)
                    .toList();
            for (Future<Path> pull : pulls) {
                assertThat(pull.get().resolve(WEIGHTS)).hasBinaryContent(weights);
            }
        }
        assertThat(fake.downloads(WEIGHTS)).hasSize(1);
        assertThat(told.notices).contains("model.safetensors: another process is fetching it");
    }

    @Test
    void offlineOnlyTheCacheIsUsed() throws IOException {
        Hub offline = new Hub(settings(Optional.empty(), HubSettings.Access.OFFLINE), QUICK);
        assertThatThrownBy(() -> offline.open(Repository.parse(MODEL), told))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("org/model is not, or not wholly, in ")
                .hasMessageContaining("HF_HUB_OFFLINE");
        assertThatThrownBy(() -> offline.pull(Repository.parse(MODEL), List.of(), told))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("HF_HUB_OFFLINE");
        assertThat(fake.requests()).isEmpty();
        Path pulled = pull().directory();
        fake.forget();
        assertThat(offline.open(Repository.parse(MODEL), told)).isEqualTo(pulled);
        assertThat(fake.requests()).isEmpty();
    }

    @Test
    void aRevisionHasItsOwnReference() throws IOException {
        hub(QUICK).pull(Repository.parse("org/model@v1"), List.of(), told);
        assertThat(names(cache.resolve("models--org--model/refs"))).containsExactly("v1");
        fake.forget();
        hub(QUICK).open(Repository.parse("org/model@v1"), told);
        hub(QUICK).open(Repository.parse("org/model@" + FakeHub.COMMIT), told);
        assertThat(fake.requests()).isEmpty();
    }

    @Test
    void aCacheOfAnotherProgramIsUsedAsItIs() throws IOException {
        Path folder = cache.resolve("models--org--model");
        Path snapshot = Files.createDirectories(folder.resolve("snapshots").resolve(FakeHub.COMMIT));
        Files.createDirectories(folder.resolve("refs"));
        Files.writeString(folder.resolve("refs/main"), FakeHub.COMMIT);
        Files.createDirectories(folder.resolve("blobs"));
        Files.write(folder.resolve("blobs").resolve("some-etag"), weights);
        Files.createSymbolicLink(snapshot.resolve(WEIGHTS), Path.of("../../blobs/some-etag"));
        // On a file system without links it writes files.
        Files.writeString(snapshot.resolve("config.json"), "{}");
        Files.writeString(snapshot.resolve("tokenizer.json"), "{}");
        assertThat(hub(QUICK).open(Repository.parse(MODEL), told)).isEqualTo(snapshot);
        assertThat(fake.requests()).isEmpty();

        Files.delete(snapshot.resolve("tokenizer.json"));
        hub(QUICK).open(Repository.parse(MODEL), told);
        assertThat(fake.downloads(WEIGHTS)).isEmpty();
        assertThat(fake.downloads("config.json")).isEmpty();
        assertThat(fake.downloads("tokenizer.json")).hasSize(1);
        assertThat(snapshot.resolve("config.json")).hasContent("{}");
    }

    @Test
    void aLinkWhoseContentIsGoneIsMadeGoodAgain() throws IOException {
        Path pulled = pull().directory();
        Files.delete(pulled.resolve(WEIGHTS).toRealPath());
        assertThat(hub(QUICK).open(Repository.parse(MODEL), told).resolve(WEIGHTS))
                .hasBinaryContent(weights);
        Files.delete(pulled.resolve(WEIGHTS));
        Files.createSymbolicLink(pulled.resolve(WEIGHTS), Path.of("../../blobs/gone"));
        hub(QUICK).open(Repository.parse(MODEL), told);
        assertThat(pulled.resolve(WEIGHTS)).hasBinaryContent(weights);
    }

    @Test
    void shardsComeByTheirIndexAndOtherProgramsFilesStay() throws IOException {
        fake.put("org/sharded", "config.json", "{}")
                .put("org/sharded", "tokenizer_config.json", "{}")
                .put("org/sharded", "chat_template.jinja", "{{ x }}")
                .put("org/sharded", "README.md", "#")
                .put("org/sharded", "tf_model.h5", "x")
                .put("org/sharded", "pytorch_model.bin", "x")
                .put("org/sharded", "original/model.safetensors", "x")
                .put("org/sharded", "model-00001-of-00002.safetensors", "one")
                .put("org/sharded", "model-00002-of-00002.safetensors", "two")
                .put("org/sharded", "model-00003-of-00002.safetensors", "stray")
                .put("org/sharded", "model.safetensors.index.json", """
                        {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors",
                                        "c": "model-00001-of-00002.safetensors"}}""");
        Path pulled = hub(QUICK)
                .pull(Repository.parse("org/sharded"), List.of(), told)
                .directory();
        assertThat(names(pulled))
                .containsExactlyInAnyOrder(
                        "config.json",
                        "tokenizer_config.json",
                        "chat_template.jinja",
                        "model.safetensors.index.json",
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors");
        Files.delete(pulled.resolve("model-00002-of-00002.safetensors"));
        fake.forget();
        assertThat(hub(QUICK).open(Repository.parse("org/sharded"), told)).isEqualTo(pulled);
        assertThat(pulled.resolve("model-00002-of-00002.safetensors")).hasContent("two");
        assertThat(fake.requests()).noneMatch(request -> request.path().startsWith("/content/"));
    }

    @Test
    void aShardThatIsNotThereIsNamedBeforeAnythingLargeIsFetched() {
        fake.put("org/torn", "model-1.safetensors", "one").put("org/torn", "model.safetensors.index.json", """
                {"weight_map": {"a": "model-1.safetensors", "b": "../../model-2.safetensors"}}""");
        assertThatThrownBy(() -> hub(QUICK).pull(Repository.parse("org/torn"), List.of(), told))
                .hasMessage("org/torn: lacks files that a model needs: ../../model-2.safetensors");
        assertThat(fake.downloads("model-1.safetensors")).isEmpty();
    }

    @Test
    void filesCanBeChosenInFoldersToo() throws IOException {
        fake.put("org/many", "gguf/model-Q8_0.gguf", "8").put("org/many", "gguf/model-Q4_0.gguf", "4");
        assertThatThrownBy(() -> hub(QUICK).pull(Repository.parse("org/many"), List.of(), told))
                .hasMessageContaining("GGUF")
                .hasMessageContaining("--include");
        Path pulled = hub(QUICK)
                .pull(Repository.parse("org/many"), List.of("*Q8_?.gguf", "*.txt"), told)
                .directory();
        assertThat(names(pulled.resolve("gguf"))).containsExactly("model-Q8_0.gguf");
        assertThat(pulled.resolve("gguf/model-Q8_0.gguf")).hasContent("8");
        assertThat(Files.readSymbolicLink(pulled.resolve("gguf/model-Q8_0.gguf"))
                        .toString())
                .startsWith("../../../blobs/");
    }

    private HubSettings settings(Optional<String> token, HubSettings.Access access) {
        return new HubSettings(URI.create(fake.address()), token, cache, access);
    }

    private Hub hub(Patience patience) {
        return new Hub(settings(Optional.empty(), HubSettings.Access.ONLINE), patience);
    }

    private Hub.Snapshot pull() {
        return pull(QUICK);
    }

    private Hub.Snapshot pull(Patience patience) {
        try {
            return hub(patience).pull(Repository.parse(MODEL), List.of(), told);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void assertRefused(String... parts) {
        assertThatThrownBy(() -> hub(QUICK).pull(Repository.parse(MODEL), List.of(), told))
                .isInstanceOf(HubException.class)
                .satisfies(e -> assertThat(e.getMessage()).contains(parts).doesNotContain("\n"));
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

    private static List<String> names(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.map(entry -> entry.getFileName().toString()).toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static final class Told implements Hub.Listener {
        final List<String> notices = new CopyOnWriteArrayList<>();
        volatile long last;
        volatile long total;

        @Override
        public void notice(String line) {
            notices.add(line);
        }

        @Override
        public void progress(long done, long of, long received) {
            last = Math.max(done, last);
            total = of;
        }
    }
}
