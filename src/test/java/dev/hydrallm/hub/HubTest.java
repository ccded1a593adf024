package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.testing.FakeHub;
import dev.hydrallm.testing.FakeHub.Fault;
import dev.hydrallm.testing.FakeHub.Request;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What pulls leave in the cache, and what they find there. */
class HubTest extends PulledModel {
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
}
