package dev.hydrallm.cli;

import dev.hydrallm.evaluation.HeadAccuracy;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.training.Sample;
import dev.hydrallm.training.Sha256;
import dev.hydrallm.training.data.TokenFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What draft heads are measured on: texts in UTF-8, and the samples of token files with their labels. */
final class HeldOutTexts {
    private final List<File> files = new ArrayList<>();

    /** A file; without a content it is a token file. */
    private record File(Path path, Optional<String> content) {}

    /** Reads the texts, so that what is wrong with one is said before a model is loaded. */
    HeldOutTexts(List<Path> paths) throws IOException {
        for (Path path : paths) {
            files.add(new File(
                    path, TokenFile.isOne(path) ? Optional.empty() : Optional.of(EvaluationOptions.readText(path))));
        }
    }

    /** All of them as a model's tokens: each text, and each sample that has a labelled token behind its first, is read for itself. */
    List<HeadAccuracy.Text> of(PackedModel pack, Tokenizer tokenizer) throws IOException {
        List<HeadAccuracy.Text> all = new ArrayList<>();
        for (File file : files) {
            if (file.content.isPresent()) {
                all.add(HeadAccuracy.Text.whole(EvaluationOptions.tokens(file.path, file.content.get(), tokenizer)));
            } else {
                addSamples(file.path, pack, all);
            }
        }
        return all;
    }

    private static void addSamples(Path path, PackedModel pack, List<HeadAccuracy.Text> all) throws IOException {
        try (TokenFile samples = TokenFile.open(path)) {
            String tokenizer = Sha256.hex(Files.readAllBytes(pack.tokenizerFile()));
            if (!samples.tokenizer().equals(tokenizer)) {
                throw new IllegalArgumentException(
                        path
                                + " was prepared with another tokenizer than this model's: prepare the text again, with --model");
            }
            int before = all.size();
            for (int i = 0; i < samples.count(); i++) {
                Sample sample = samples.get(i);
                HeadAccuracy.Text text = new HeadAccuracy.Text(sample.tokens(), sample.labelled());
                if (text.asked()) {
                    all.add(text);
                }
            }
            if (all.size() == before) {
                throw new IllegalArgumentException(
                        path + " has no labelled token behind the first of a sample: there is" + " nothing to score");
            }
        }
    }
}
