package dev.hydrallm.engine;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.RopeScaling;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The rotary position embedding's table (Su et al. 2021). */
public final class Rotary {
    private Rotary() {}

    /**
     * cos and sin of position · frequency, times the amplitude of the model's scaling; rounded to single precision where
     * the models' trainers rounded (frequency, then angle), for their weights have seen those values.
     *
     * @param context tokens that the engine runs with, at most {@code positions}
     * @return (positions, headDim / 2, 2) single-precision numbers in native order
     */
    public static ByteBuffer table(Architecture model, int context, int positions) {
        RopeScaling scaling = model.ropeScaling();
        float[] frequencies = scaling == null
                ? RopeScaling.unscaled(model.ropeTheta(), model.headDim())
                : scaling.frequencies(model.ropeTheta(), model.headDim(), context);
        double amplitude = scaling == null ? 1 : scaling.amplitude();
        ByteBuffer table = ByteBuffer.allocateDirect(
                        Math.multiplyExact(positions, frequencies.length * 2 * Float.BYTES))
                .order(ByteOrder.nativeOrder());
        for (int position = 0; position < positions; position++) {
            for (float frequency : frequencies) {
                float angle = position * frequency;
                table.putFloat((float) (Math.cos(angle) * amplitude)).putFloat((float) (Math.sin(angle) * amplitude));
            }
        }
        return table.flip();
    }
}
