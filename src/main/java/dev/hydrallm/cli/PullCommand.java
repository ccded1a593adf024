package dev.hydrallm.cli;

import dev.hydrallm.hub.Hub;
import dev.hydrallm.hub.HubSettings;
import dev.hydrallm.hub.Repository;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "pull",
        sortOptions = false,
        description = "Fetches a model from a Hugging Face hub into the cache and prints where it is.",
        footer = {
            "",
            "HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean elsewhere.",
            "",
            "Example:  hydra pull HuggingFaceTB/SmolLM2-135M",
            "          hydra chat --model HuggingFaceTB/SmolLM2-135M"
        })
final class PullCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ORG/NAME", description = "The repository.")
    String repository = "";

    @Option(
            names = "--revision",
            paramLabel = "REV",
            defaultValue = Repository.MAIN,
            description = "A branch, a tag or a commit. Default: ${DEFAULT-VALUE}.")
    String revision = Repository.MAIN;

    @Option(
            names = "--include",
            paramLabel = "GLOB",
            arity = "1..*",
            description = "Fetch the files that match, instead of what a model needs.")
    List<String> include = List.of();

    @Spec
    CommandSpec command = CommandSpec.create();

    @Override
    public Integer call() throws IOException {
        Repository wanted = new Repository(repository, revision);
        HubSettings settings = HubModels.settings(Cli.environment(command));
        Hub.Snapshot snapshot = new Hub(settings).pull(wanted, include, HubModels.listener(wanted));
        System.err.printf(
                Locale.ROOT,
                "Pulled %s at commit %s: %d files, %.1f MB of them fetched now.%n",
                wanted,
                snapshot.commit(),
                snapshot.files(),
                snapshot.fetched() / 1e6);
        System.out.println(snapshot.directory());
        return 0;
    }
}
