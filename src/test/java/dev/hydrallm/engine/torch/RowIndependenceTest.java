package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** int8 products: the same bits for a row alone and among others, and close to exact ones. */
class RowIndependenceTest {
    private static final int IN = 96;
    private static final int OUT = 40;
    private static final int ROWS = 33;

    @ParameterizedTest
    @EnumSource(ActivationRange.class)
    void aRowsResultDoesNotDependOnItsNeighbours(ActivationRange range) {
        TorchNatives.load();
        try (PtNDManager manager = (PtNDManager) NDManager.newBaseManager(Device.cpu(), "PyTorch");
                Script script = compile(manager, range);
                Values values = new Values()) {
            Random random = new Random(3);
            byte[] codes = new byte[OUT * IN];
            random.nextBytes(codes);
            float[] scales = floats(OUT, i -> 0.001 * (i + 1));
            // Rows of very different size, and one of zeros.
            float[] x = floats(ROWS * IN, i -> random.nextGaussian() * Math.pow(10, (i / IN) % 7 - 3));
            Arrays.fill(x, 5 * IN, 6 * IN, 0);
            float[] gains = floats(IN, i -> 1 + 0.01 * i);

            IValue packed = values.keep(script.call(
                    "pack",
                    values.of(values.keep(manager.create(
                            java.nio.ByteBuffer.allocateDirect(codes.length)
                                    .put(codes)
                                    .flip(),
                            new Shape(OUT, IN),
                            DataType.INT8))),
                    values.of(values.keep(manager.create(scales)))));
            IValue gain = values.of(values.keep(manager.create(gains)));
            IValue floor = values.of(values.keep(manager.create(new float[] {0.03f})));
            float[] all = linear(manager, script, x, packed);
            float[] allNormed = normed(manager, script, x, packed, gain, floor);
            for (int row = 0; row < ROWS; row++) {
                float[] alone = Arrays.copyOfRange(x, row * IN, (row + 1) * IN);
                assertThat(linear(manager, script, alone, packed))
                        .containsExactly(Arrays.copyOfRange(all, row * OUT, (row + 1) * OUT));
                assertThat(normed(manager, script, alone, packed, gain, floor))
                        .containsExactly(Arrays.copyOfRange(allNormed, row * OUT, (row + 1) * OUT));
            }
            for (int i = 0; i < all.length; i++) {
                int row = i / OUT;
                double exact = 0;
                double size = 0;
                for (int k = 0; k < IN; k++) {
                    double w = codes[(i % OUT) * IN + k] * (double) scales[i % OUT];
                    exact += w * x[row * IN + k];
                    size = Math.max(size, Math.abs(x[row * IN + k]));
                }
                // Each of the IN products is off by at most half an activation step times the largest weight.
                double bound = IN * size * range.scale() / 2 * 128 * scales[i % OUT];
                assertThat((double) all[i]).isCloseTo(exact, within(bound + 1e-9));
            }
        }
    }

    private static float[] floats(int count, IntToDoubleFunction value) {
        float[] floats = new float[count];
        for (int i = 0; i < count; i++) {
            floats[i] = (float) value.applyAsDouble(i);
        }
        return floats;
    }

    private static Script compile(PtNDManager manager, ActivationRange range) {
        Architecture shape = new Architecture(8, IN, 8, 1, 1, 1, 4, 1e-5, 10_000, 8, true);
        return Script.compile(
                manager,
                ProgramText.CLASS_NAME,
                ProgramText.of(
                        shape, new DraftLayout(1, 1, 0, false), Arithmetic.CPU_INT8, RmsNorm.SEPARATE, range, "cpu"));
    }

    private static float[] linear(PtNDManager manager, Script script, float[] x, IValue packed) {
        return call(manager, script, "linear", x, packed);
    }

    private static float[] normed(
            PtNDManager manager, Script script, float[] x, IValue packed, IValue gain, IValue floor) {
        return call(manager, script, "normed_linear", x, gain, floor, packed);
    }

    private static float[] call(PtNDManager manager, Script script, String method, float[] x, IValue... more) {
        try (Values scope = new Values()) {
            PtNDArray rows = scope.keep(manager.create(x, new Shape(x.length / IN, IN)));
            IValue[] arguments = new IValue[more.length + 1];
            arguments[0] = scope.of(rows);
            System.arraycopy(more, 0, arguments, 1, more.length);
            IValue result = scope.keep(script.call(method, arguments));
            return scope.keep(result.toTensor(manager)).toFloatArray();
        }
    }
}
