package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.training.data.Preparation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What text goes through before a model sees it: its tokenizer and chat template, without its weights. */
final class BaseText {
    @Option(
            names = "--model",
            paramLabel = "PATH|ORG/NAME",
            description =
                    "Whose tokenizer and chat template: a packed model, a checkpoint's or draft heads' directory, a GGUF"
                            + " file or a hub's repository. Default: the demo model.")
    @Nullable
    Path model;

    @Option(
            names = "--base-model",
            paramLabel = "PATH|ORG/NAME",
            description = "The base of draft heads, instead of the one their config.json names.")
    @Nullable
    Path baseModel;

    @Option(
            names = {"--chat-template", "--conv-template"},
            paramLabel = "NAME|FILE",
            description = "vicuna_v1.1, raw, or a file with a Jinja template. Default: the model's.")
    @Nullable
    String chatTemplate;

    @Spec(Spec.Target.MIXEE)
    @Nullable
    CommandSpec command;

    /** What was opened; who opened it closes the tokenizer. */
    record Opened(Preparation.Base base, int context) implements AutoCloseable {
        @Override
        public void close() {
            base.tokenizer().close();
        }
    }

    Opened open() throws IOException {
        HubModels models = new HubModels(command == null ? System::getenv : Cli.environment(command));
        Path directory = model == null ? Models.demo() : models.model(model);
        if (PackedModel.isPack(directory)) {
            Manifest manifest = Manifest.read(directory);
            byte[] tokenizer = Files.readAllBytes(directory.resolve(Manifest.TOKENIZER_FILE));
            return opened(
                    directory,
                    tokenizer,
                    manifest.bosId(),
                    manifest.eosIds(),
                    manifest.chatTemplate(),
                    manifest.architecture());
        }
        try (Checkpoint checkpoint = Checkpoint.open(directory, models.base(directory, baseModel), warning -> {})) {
            return opened(
                    directory,
                    checkpoint.tokenizer(),
                    checkpoint.bosId(),
                    checkpoint.eosIds(),
                    checkpoint.chatTemplate(),
                    checkpoint.architecture());
        }
    }

    private Opened opened(
            Path directory,
            byte[] json,
            @Nullable Integer bosId,
            List<Integer> eosIds,
            String packedTemplate,
            Architecture architecture)
            throws IOException {
        String template = chatTemplate == null ? packedTemplate : chatTemplate;
        if (chatTemplate != null && Files.isRegularFile(Path.of(chatTemplate))) {
            template = Texts.read(Path.of(chatTemplate));
        }
        Tokenizer tokenizer =
                Tokenizer.of(json, directory.resolve(Manifest.TOKENIZER_FILE).toString(), bosId, eosIds);
        try {
            return new Opened(
                    new Preparation.Base(
                            tokenizer, ChatTemplate.of(template, tokenizer), sha256(json), architecture.vocabSize()),
                    architecture.contextLength());
        } catch (RuntimeException e) {
            tokenizer.close();
            throw e;
        }
    }

    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
