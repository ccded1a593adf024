package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.hub.Hub;
import dev.hydrallm.hub.Repository;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "push",
        sortOptions = false,
        description = "Uploads a folder of draft heads to a Hugging Face hub, as one commit.",
        footer = {
            "",
            "Uploaded are the folder's own files: weights, config.json, metrics, report, README.md; no checkpoints. HF_TOKEN must be a"
                    + " token that may write; HF_ENDPOINT names another hub.",
            "",
            "Example:  hydra push heads/ my-org/hydra-vicuna-7b --private"
        })
final class PushCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "DIR", description = "The folder that hydra train made.")
    Path folder = Path.of("");

    @Parameters(index = "1", paramLabel = "ORG/NAME", description = "The repository, which is created if need be.")
    String repository = "";

    @Option(
            names = "--revision",
            paramLabel = "BRANCH",
            defaultValue = Repository.MAIN,
            description = "The branch, which is created if need be. Default: ${DEFAULT-VALUE}.")
    String revision = Repository.MAIN;

    @Option(names = "--private", description = "Let nobody else see a repository that is created.")
    boolean hidden;

    @Option(
            names = "--message",
            paramLabel = "TEXT",
            defaultValue = "Draft heads trained with Hydra",
            description = "Of the commit. Default: ${DEFAULT-VALUE}.")
    String message = "";

    @Spec
    CommandSpec command = CommandSpec.create();

    @Override
    public Integer call() throws IOException {
        Map<String, Path> files = files();
        Optional<String> base = Checkpoint.missingBase(folder);
        if (base.isEmpty() || !Repository.looksLikeOne(base.get())) {
            System.err.println("hydra: warning: " + folder.resolve("config.json")
                    + " names the base by a path, which nobody else has; write a hub's ORG/NAME there, or tell them to give"
                    + " --base-model");
        }
        Repository target = new Repository(repository, revision);
        Hub hub = new Hub(HubModels.settings(Cli.environment(command)));
        Progress bar = new Progress("Uploading to " + target);
        String commit = hub.push(
                target, files, hidden ? Hub.Visibility.PRIVATE : Hub.Visibility.PUBLIC, message, new Hub.Listener() {
                    @Override
                    public void notice(String line) {
                        bar.notice("hydra: " + line);
                    }

                    @Override
                    public void progress(long done, long total, long sent) {
                        bar.transferred(done, total, sent);
                    }
                });
        System.err.println("Pushed " + files.size() + " files to " + target + ".");
        System.out.println(commit);
        return 0;
    }

    /** All that is not of the run alone. */
    private Map<String, Path> files() throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new IllegalArgumentException(folder + " is no directory");
        }
        Map<String, Path> files = new TreeMap<>();
        try (Stream<Path> entries = Files.list(folder)) {
            entries.filter(Files::isRegularFile).forEach(file -> {
                String name = file.getFileName().toString();
                if (!name.startsWith("run.") && !name.startsWith(".") && !name.endsWith(".unfinished")) {
                    files.put(name, file);
                }
            });
        }
        if (files.keySet().stream().noneMatch(name -> name.startsWith("medusa_lm_head."))) {
            throw new IllegalArgumentException(folder + " holds no draft heads (medusa_lm_head.safetensors)");
        }
        return files;
    }
}
