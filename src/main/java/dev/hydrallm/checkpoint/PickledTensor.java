package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import java.util.List;

/**
 * A tensor as a pickle describes it, nothing of it checked yet.
 *
 * @param offset elements of the storage before its first one
 * @param strides elements from one index to the next, for every axis
 */
record PickledTensor(Storage storage, long offset, List<Long> shape, List<Long> strides) {

    /** Where its elements are: the zip entry {@code data/KEY}. */
    record Storage(DType dtype, String key) {}
}
