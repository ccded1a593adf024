package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.training.Sha256;
import dev.hydrallm.training.data.Preparation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What text goes through before a model sees it: its tokenizer and chat template, without its weights.
 *
 * @param context tokens that the model was made for
 */
record BaseText(Preparation.Base base, int context) implements AutoCloseable {
    /**
     * Opens a model's.
     *
     * @param model a directory, file or repository; null for the demo model
     * @param baseModel the base of draft heads; null for the one that they name
     */
    static BaseText open(
            @Nullable Path model,
            @Nullable Path baseModel,
            ChatTemplateOption template,
            EnvironmentDefaults.Environment environment)
            throws IOException {
        HubModels models = new HubModels(environment);
        Path directory = model == null ? Models.demo() : models.model(model);
        if (PackedModel.isPack(directory)) {
            Manifest manifest = Manifest.read(directory);
            return of(
                    directory,
                    Files.readAllBytes(directory.resolve(Manifest.TOKENIZER_FILE)),
                    manifest.bosId(),
                    manifest.eosIds(),
                    template,
                    manifest.chatTemplate(),
                    manifest.architecture());
        }
        try (Checkpoint checkpoint = Checkpoint.open(directory, models.base(directory, baseModel), warning -> {})) {
            return of(
                    directory,
                    checkpoint.tokenizer(),
                    checkpoint.bosId(),
                    checkpoint.eosIds(),
                    template,
                    checkpoint.chatTemplate(),
                    checkpoint.architecture());
        }
    }

    private static BaseText of(
            Path directory,
            byte[] json,
            @Nullable Integer bosId,
            List<Integer> eosIds,
            ChatTemplateOption template,
            String own,
            Architecture architecture)
            throws IOException {
        @Nullable String given = template.text();
        Tokenizer tokenizer =
                Tokenizer.of(json, directory.resolve(Manifest.TOKENIZER_FILE).toString(), bosId, eosIds);
        try {
            return new BaseText(
                    new Preparation.Base(
                            tokenizer,
                            ChatTemplate.of(given == null ? own : given, tokenizer),
                            Sha256.hex(json),
                            architecture.vocabSize()),
                    architecture.contextLength());
        } catch (RuntimeException e) {
            tokenizer.close();
            throw e;
        }
    }

    /** Closes the tokenizer. */
    @Override
    public void close() {
        base.tokenizer().close();
    }
}
