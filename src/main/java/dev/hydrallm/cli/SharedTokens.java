package dev.hydrallm.cli;

import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Two models that are to read the same tokens.
 *
 * @param first as it was named
 * @param second likewise
 */
record SharedTokens(Path first, Path second) {

    /**
     * The text's tokens, which are the same for both models, or it makes no sense to compare them.
     *
     * @throws IllegalArgumentException if they are not
     */
    int[] of(Path file, String text, PackedModel a, PackedModel b) {
        int vocabulary = a.architecture().vocabSize();
        if (vocabulary != b.architecture().vocabSize()) {
            throw new IllegalArgumentException(String.format(
                    "the models cannot be compared token by token: %s has a vocabulary of %d, %s one of %d",
                    first, vocabulary, second, b.architecture().vocabSize()));
        }
        try (Tokenizer ofA = TextModel.tokenizerOf(a);
                Tokenizer ofB = TextModel.tokenizerOf(b)) {
            int[] tokens = EvaluationOptions.tokens(file, text, ofA);
            if (!ofA.knowsTheTokensOf(ofB, vocabulary) || !Arrays.equals(tokens, ofB.encode(text))) {
                throw new IllegalArgumentException("the models cannot be compared token by token: the tokenizers of "
                        + first + " and " + second + " differ");
            }
            return tokens;
        }
    }
}
