package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The shape of a Llama-family decoder.
 *
 * @param vocabSize rows of the embedding and of the language-model head
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width of the SwiGLU block
 * @param layers decoder layers
 * @param heads query heads of a layer
 * @param kvHeads key and value heads of a layer; divides {@code heads} (grouped-query attention)
 * @param headDim width of a head; even, because rotary embedding turns pairs
 * @param normEpsilon what RMSNorm adds to the mean square
 * @param ropeTheta base of the rotary frequencies
 * @param contextLength positions that the model was made for
 * @param tiedEmbeddings whether the embedding serves as the language-model head too
 * @param attentionParts what attention has beyond Llama's, in the enumeration's order
 * @param slidingWindow null where every layer sees everything
 * @param ropeScaling null where the rotary frequencies are used as they are
 */
public record Architecture(
        int vocabSize,
        int hiddenSize,
        int intermediateSize,
        int layers,
        int heads,
        int kvHeads,
        int headDim,
        double normEpsilon,
        double ropeTheta,
        int contextLength,
        boolean tiedEmbeddings,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) Set<AttentionPart> attentionParts,
        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable SlidingWindow slidingWindow,
        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable RopeScaling ropeScaling) {

    /** @throws IllegalArgumentException naming the first value out of its bounds */
    public Architecture {
        within("vocab_size", vocabSize, 1, 1 << 24);
        within("hidden_size", hiddenSize, 1, 1 << 18);
        within("intermediate_size", intermediateSize, 1, 1 << 20);
        within("layers", layers, 1, 1 << 10);
        within("heads", heads, 1, 1 << 12);
        within("kv_heads", kvHeads, 1, heads);
        within("head_dim", headDim, 2, 1 << 12);
        within("context_length", contextLength, 1, 1 << 24);
        if (heads % kvHeads != 0) {
            throw new IllegalArgumentException(heads + " heads do not divide among " + kvHeads + " kv_heads");
        }
        if (headDim % 2 != 0) {
            throw new IllegalArgumentException("head_dim is " + headDim + ", rotary embedding needs an even number");
        }
        if (!(normEpsilon > 0 && normEpsilon < 1)) {
            throw new IllegalArgumentException("norm_epsilon is " + normEpsilon + ", not between 0 and 1");
        }
        if (!(ropeTheta >= 1 && ropeTheta <= 1e12)) {
            throw new IllegalArgumentException("rope_theta is " + ropeTheta + ", not between 1 and 1e12");
        }
        if (slidingWindow != null) {
            within("first layer with a sliding window", slidingWindow.firstLayer(), 0, layers - 1);
        }
        if (ropeScaling != null && (headDim < 4 || ropeTheta < 2)) {
            throw new IllegalArgumentException("rope scaling needs a head_dim of 4 or more and a rope_theta of 2 or"
                    + " more, not " + headDim + " and " + ropeTheta);
        }
        Set<AttentionPart> sorted = EnumSet.noneOf(AttentionPart.class);
        sorted.addAll(attentionParts);
        attentionParts = Collections.unmodifiableSet(sorted);
    }

    /** Llama's own shape: nothing added to attention, no window, no scaling. */
    public Architecture(
            int vocabSize,
            int hiddenSize,
            int intermediateSize,
            int layers,
            int heads,
            int kvHeads,
            int headDim,
            double normEpsilon,
            double ropeTheta,
            int contextLength,
            boolean tiedEmbeddings) {
        this(
                vocabSize,
                hiddenSize,
                intermediateSize,
                layers,
                heads,
                kvHeads,
                headDim,
                normEpsilon,
                ropeTheta,
                contextLength,
                tiedEmbeddings,
                Set.of(),
                null,
                null);
    }

    /** Whether attention has this part. */
    public boolean has(AttentionPart part) {
        return attentionParts.contains(part);
    }

    /** Rows of the joined query, key and value projection. */
    public int qkvRows() {
        return (heads + 2 * kvHeads) * headDim;
    }

    /** Width of the attention's result before its output projection. */
    public int attentionSize() {
        return heads * headDim;
    }

    static void within(String name, int value, int least, int most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(name + " is " + value + ", not between " + least + " and " + most);
        }
    }
}
