package dev.hydrallm.engine.torch;

import dev.hydrallm.model.Architecture;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The rotary position embedding's table (Su et al. 2021). */
final class Rotary {
    private Rotary() {}

    /**
     * cos and sin of position · theta^(-2 j / headDim), rounded to single precision where the models' trainers rounded
     * (frequency, then angle), for their weights have seen those values.
     *
     * @return (positions, headDim / 2, 2) single-precision numbers in native order
     */
    static ByteBuffer table(Architecture model, int positions) {
        int half = model.headDim() / 2;
        ByteBuffer table = ByteBuffer.allocateDirect(Math.multiplyExact(positions, half * 2 * Float.BYTES))
                .order(ByteOrder.nativeOrder());
        for (int position = 0; position < positions; position++) {
            for (int j = 0; j < half; j++) {
                float frequency = 1 / (float) Math.pow(model.ropeTheta(), 2.0 * j / model.headDim());
                float angle = position * frequency;
                table.putFloat((float) Math.cos(angle)).putFloat((float) Math.sin(angle));
            }
        }
        return table.flip();
    }
}
