package dev.hydrallm.cli;

import dev.hydrallm.serving.ModelOpener;
import dev.hydrallm.serving.ServingConfig;
import dev.hydrallm.serving.TextModel;
import jakarta.enterprise.context.ApplicationScoped;
import java.nio.file.Path;

/** Opens a server's model as a command would open it. */
@ApplicationScoped
final class ServerModel implements ModelOpener {
    @Override
    public TextModel open(ServingConfig config) {
        ModelOptions options = new ModelOptions();
        options.model = config.model().map(Path::of).orElse(null);
        options.baseModel = config.baseModel().map(Path::of).orElse(null);
        options.loadIn8bit = config.loadIn8bit();
        options.loadIn4bit = config.loadIn4bit();
        options.tree = config.tree().orElse(null);
        options.speculation = config.speculation().orElse(null);
        options.context = config.context();
        options.threads = config.threads();
        options.noSpeculation = config.noSpeculation();
        return Models.load(options, config.slots(), config.queue());
    }
}
