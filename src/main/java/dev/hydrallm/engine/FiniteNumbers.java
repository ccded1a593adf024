package dev.hydrallm.engine;

import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Scales, gains and biases of a model. One of them that is no number would spoil all texts, or some tokens without a word. */
public final class FiniteNumbers {
    private FiniteNumbers() {}

    /**
     * A tensor in single precision, as soon as it is read.
     *
     * @throws ModelFormatException when a number is infinite or none, or the model is damaged
     */
    public static MemorySegment of(PackedModel model, String name) {
        MemorySegment numbers = model.tensor(name).data();
        for (long i = 0; i < numbers.byteSize() / Float.BYTES; i++) {
            float number = numbers.getAtIndex(ValueLayout.JAVA_FLOAT, i);
            if (!Float.isFinite(number)) {
                throw new ModelFormatException(
                        model.directory() + ": " + name + ": number " + i + " is " + number + ": pack the model again");
            }
        }
        return numbers;
    }
}
