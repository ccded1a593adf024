package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.testing.FakeHub;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

/** A model on a hub that does what networks do, and a cache to pull it into. */
abstract class PulledModel {
    static final String MODEL = "org/model";
    static final String WEIGHTS = "model.safetensors";
    static final Patience QUICK = new Patience(Duration.ofMillis(10), 3, Duration.ofSeconds(2));
    static final Patience ONE_TRY = new Patience(Duration.ofMillis(10), 1, Duration.ofSeconds(2));

    @TempDir
    Path cache;

    final byte[] weights = new byte[300_000];
    final FakeHub fake = new FakeHub();
    final Told told = new Told();

    PulledModel() {
        new Random(1).nextBytes(weights);
        fake.put(MODEL, "config.json", "{\"model_type\": \"llama\"}")
                .put(MODEL, "tokenizer.json", "{}")
                .put(MODEL, WEIGHTS, weights);
    }

    @AfterEach
    void close() {
        fake.close();
    }

    HubSettings settings(Optional<String> token, HubSettings.Access access) {
        return new HubSettings(URI.create(fake.address()), token, cache, access);
    }

    Hub hub(Patience patience) {
        return new Hub(settings(Optional.empty(), HubSettings.Access.ONLINE), patience);
    }

    Hub.Snapshot pull() {
        return pull(QUICK);
    }

    Hub.Snapshot pull(Patience patience) {
        try {
            return hub(patience).pull(Repository.parse(MODEL), List.of(), told);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    void assertRefused(String... parts) {
        assertThatThrownBy(() -> hub(QUICK).pull(Repository.parse(MODEL), List.of(), told))
                .isInstanceOf(HubException.class)
                .satisfies(e -> assertThat(e.getMessage()).contains(parts).doesNotContain("\n"));
    }

    static List<String> names(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.map(entry -> entry.getFileName().toString()).toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    static final class Told implements Hub.Listener {
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
