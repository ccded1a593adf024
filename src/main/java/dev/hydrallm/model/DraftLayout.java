package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/**
 * The draft model beside the base: how many heads of what depth, on top of how many decoder layers of its own.
 *
 * @param heads draft heads; head k proposes the token k+2 places on
 * @param residualLayers residual blocks of a head
 * @param forkedLayers decoder layers forked from the base's last ones; 0 taps the base's final normed state
 * @param sharedLmHead whether the heads end in the base's language-model head instead of one each
 * @param parts what they have beyond Hydra's
 */
public record DraftLayout(
        int heads,
        int residualLayers,
        int forkedLayers,
        boolean sharedLmHead,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) Set<DraftPart> parts) {
    /** A model without draft heads. */
    public static final DraftLayout NONE = new DraftLayout(0, 0, 0, false);

    /** As deep as a draft tree may be, so a head beyond would never be asked. */
    public static final int MOST_HEADS = 16;

    /** @throws IllegalArgumentException naming the first value out of its bounds */
    public DraftLayout {
        Architecture.within("draft heads", heads, 0, MOST_HEADS);
        Architecture.within("draft residual_layers", residualLayers, 0, 16);
        Architecture.within("draft forked_layers", forkedLayers, 0, 64);
        if (heads == 0 && (residualLayers != 0 || forkedLayers != 0 || sharedLmHead || !parts.isEmpty())) {
            throw new IllegalArgumentException("a draft layout without heads has parts of heads");
        }
        Set<DraftPart> sorted = EnumSet.noneOf(DraftPart.class);
        sorted.addAll(parts);
        parts = Collections.unmodifiableSet(sorted);
    }

    /** Hydra's own. */
    public DraftLayout(int heads, int residualLayers, int forkedLayers, boolean sharedLmHead) {
        this(heads, residualLayers, forkedLayers, sharedLmHead, Set.of());
    }

    /** The group of what stands before the heads. */
    public TensorGroup trunk() {
        return forkedLayers > 0 ? TensorGroup.FORKED_LAYERS : TensorGroup.HEADS;
    }

    /** Whether the draft layers have this part. */
    public boolean has(DraftPart part) {
        return parts.contains(part);
    }
}
