package dev.hydrallm.engine.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.engine.Selection;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import java.util.Arrays;
import java.util.List;

/** libtorch's choice of tokens from given logits, for tests of the other engines. */
public final class TorchChoice implements AutoCloseable {
    private final PtNDManager manager;
    private final Script script;

    public TorchChoice() {
        TorchNatives.load();
        manager = (PtNDManager) NDManager.newBaseManager(Device.cpu(), "PyTorch");
        Architecture any = new Architecture(8, 8, 8, 1, 1, 1, 4, 1e-5, 10_000, 8, true);
        String text = ProgramText.of(
                any, DraftLayout.NONE, Arithmetic.CPU_SINGLE, RmsNorm.SEPARATE, ActivationRange.FULL, "cpu");
        script = Script.compile(manager, ProgramText.CLASS_NAME, text);
    }

    /**
     * Chooses after one sequence's rows.
     *
     * @param logits (rows, vocabulary)
     * @param tokens the rows' own tokens
     * @return token and score of each row
     */
    public double[] choose(Selection.Part part, float[] logits, int... tokens) {
        SelectionNumbers numbers = new SelectionNumbers(new Selection(List.of(part)));
        try (Values scope = new Values()) {
            Shape shape = new Shape(tokens.length, logits.length / tokens.length);
            IValue result = scope.keep(script.call(
                    "select",
                    scope.of(scope.keep(manager.create(logits, shape))),
                    scope.of(numbers.rules()[0]),
                    scope.list(numbers.settings()),
                    scope.of(scope.keep(manager.create(numbers.uniforms().stream()
                            .mapToDouble(Double::doubleValue)
                            .toArray()))),
                    scope.of(scope.keep(
                            manager.create(Arrays.stream(tokens).asLongStream().toArray()))),
                    scope.of(scope.keep(manager.create(numbers.parents().stream()
                            .mapToLong(Integer::longValue)
                            .toArray())))));
            return scope.keep(result.toTensor(manager)).toDoubleArray();
        }
    }

    @Override
    public void close() {
        script.close();
        manager.close();
    }
}
