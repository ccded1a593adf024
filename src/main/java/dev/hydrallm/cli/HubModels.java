package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.hub.Hub;
import dev.hydrallm.hub.HubException;
import dev.hydrallm.hub.HubSettings;
import dev.hydrallm.hub.Repository;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Finds the directories of models that options name: one on the disk, else a hub's repository, fetched on first use. */
final class HubModels {
    private final EnvironmentDefaults.Environment environment;

    HubModels(EnvironmentDefaults.Environment environment) {
        this.environment = environment;
    }

    /** The directory that {@code --model} means. */
    Path model(Path named) {
        return directory(named, "--model takes a packed model, a checkpoint or draft heads, or a hub's ORG/NAME");
    }

    /** The directory of a base: the one {@code --base-model} means, else the repository that draft heads name. */
    Optional<Path> base(Path model, @Nullable Path named) {
        if (named != null) {
            return Optional.of(directory(named, "--base-model takes the base of draft heads, or a hub's ORG/NAME"));
        }
        return Checkpoint.missingBase(model).filter(Repository::looksLikeOne).map(name -> {
            try {
                return fetched(Repository.parse(name));
            } catch (HubException e) {
                throw new HubException(
                        model + " names the base " + name + ": " + e.getMessage() + " (--base-model names another)", e);
            }
        });
    }

    private Path directory(Path named, String expected) {
        if (Files.isDirectory(named)) {
            return named;
        }
        String text = named.toString();
        if (Files.exists(named) || !Repository.looksLikeOne(text)) {
            throw new IllegalArgumentException(named + " is no directory; " + expected);
        }
        return fetched(Repository.parse(text));
    }

    private Path fetched(Repository repository) {
        try {
            return new Hub(settings(environment)).open(repository, listener(repository));
        } catch (IOException e) {
            throw new UncheckedIOException(Cli.oneLine(e), e);
        }
    }

    static HubSettings settings(EnvironmentDefaults.Environment environment) {
        return HubSettings.of(environment::get, Path.of(System.getProperty("user.home")));
    }

    /** Progress on stderr. */
    static Hub.Listener listener(Repository repository) {
        Progress bar = new Progress("Fetching " + repository);
        return new Hub.Listener() {
            @Override
            public void notice(String line) {
                bar.notice("hydra: " + line);
            }

            @Override
            public void progress(long done, long total, long received) {
                bar.transferred(done, total, received);
            }
        };
    }
}
