package dev.hydrallm.cli;

import dev.hydrallm.engine.EngineOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Several models that are measured one after the other on the same device. */
final class ComparedModels {
    @Parameters(
            paramLabel = "MODEL",
            arity = "0..*",
            description = "Models to compare: packed ones, checkpoints or repositories, which are packed on first use."
                    + " Default: the demo model.")
    List<Path> models = new ArrayList<>();

    @Option(
            names = "--context",
            paramLabel = "TOKENS",
            description = "Most tokens of prompt and answer. Default: all a model was made for.")
    int context;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "CPU threads. Default: all this process may use; on libtorch one for a small model.")
    int threads;

    @Option(
            names = "--engine",
            paramLabel = "KIND",
            description = "kernels, torch or auto: as for hydra generate. Default: auto.")
    EngineOptions.Kind engine = EngineOptions.Kind.AUTO;

    @Mixin
    DeviceOptions on = new DeviceOptions();

    @Mixin
    LoadingOptions load = new LoadingOptions();

    @Spec(Spec.Target.MIXEE)
    @Nullable
    CommandSpec command;

    /** The options of each, the demo model's when none is named. */
    List<ModelOptions> each() {
        List<ModelOptions> all = new ArrayList<>();
        models.forEach(model -> all.add(of(model)));
        return all.isEmpty() ? List.of(of(null)) : all;
    }

    private ModelOptions of(@Nullable Path model) {
        ModelOptions options = new ModelOptions();
        options.model = model;
        options.context = context;
        options.threads = threads;
        options.engine = engine;
        options.on = on;
        options.load = load;
        options.command = command;
        return options;
    }
}
