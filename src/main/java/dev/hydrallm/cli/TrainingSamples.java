package dev.hydrallm.cli;

import dev.hydrallm.model.PackedModel;
import dev.hydrallm.training.Samples;
import dev.hydrallm.training.Sha256;
import dev.hydrallm.training.UsableSamples;
import dev.hydrallm.training.data.TokenFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Samples of a token file for a base, with what is left out of them on stderr. */
final class TrainingSamples {
    private TrainingSamples() {}

    /**
     * Those that say something to a head.
     *
     * @param longest most tokens of a sample
     * @throws IllegalArgumentException when they were made with another tokenizer, or none is of use
     */
    static Samples usable(Path file, TokenFile samples, PackedModel base, int longest) throws IOException {
        String tokenizer = Sha256.hex(Files.readAllBytes(base.tokenizerFile()));
        if (!samples.tokenizer().equals(tokenizer)) {
            throw new IllegalArgumentException(file
                    + " was prepared with another tokenizer than the base's: prepare the data again with this --model");
        }
        Progress bar = new Progress("Looking through " + file);
        UsableSamples usable;
        try {
            usable = UsableSamples.of(
                    samples,
                    longest,
                    base.architecture().vocabSize(),
                    done -> bar.count(done, samples.count(), "samples"));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
        }
        System.err.printf(
                Locale.ROOT,
                "hydra: %s: %,d samples of %,d tokens%s%s%n",
                file,
                usable.count(),
                usable.tokens(),
                usable.useless() == 0
                        ? ""
                        : String.format(
                                Locale.ROOT, "; %,d without a label for any head are left out", usable.useless()),
                usable.cut() == 0
                        ? ""
                        : String.format(Locale.ROOT, "; %,d are cut to %,d tokens", usable.cut(), longest));
        return usable;
    }
}
