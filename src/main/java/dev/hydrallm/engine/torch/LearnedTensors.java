package dev.hydrallm.engine.torch;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.training.Learner.Parameter;
import dev.hydrallm.training.Learner.Part;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What is kept of parameters between steps: values, gradients and both moments, each a list of tensors that programs change in place. */
final class LearnedTensors {
    /** Numbers that are copied at once. */
    private static final int COPIED = 1 << 22;

    private final List<Parameter> parameters;
    private final PtNDManager manager;
    private final Script script;
    private final Kept values;
    private final Kept gradients;
    private final Kept firsts;
    private final Kept seconds;

    /** Tensors beside each other, also as the program takes them. */
    private record Kept(List<PtNDArray> tensors, IValue list) {}

    /**
     * Makes room, all zeros.
     *
     * @param script copies them
     * @param scope owns all of it
     */
    LearnedTensors(List<Parameter> parameters, PtNDManager manager, Script script, DataType type, Values scope) {
        this.parameters = parameters;
        this.manager = manager;
        this.script = script;
        values = zeros("values[]", type, scope);
        gradients = zeros("gradients[]", type, scope);
        firsts = zeros("firsts[]", type, scope);
        seconds = zeros("seconds[]", type, scope);
    }

    /** Their name makes DJL give them as one list. */
    private Kept zeros(String name, DataType type, Values scope) {
        List<PtNDArray> tensors = new ArrayList<>();
        for (Parameter parameter : parameters) {
            Shape size =
                    new Shape(Arrays.stream(parameter.shape()).asLongStream().toArray());
            PtNDArray tensor = scope.keep(manager.zeros(size, type));
            tensor.setName(name);
            tensors.add(tensor);
        }
        return new Kept(tensors, scope.tensors(tensors));
    }

    List<Parameter> parameters() {
        return parameters;
    }

    /** Values, then gradients, as arguments that libtorch differentiates by. */
    NDList inputs() {
        NDList inputs = new NDList();
        inputs.addAll(values.tensors());
        inputs.addAll(gradients.tensors());
        return inputs;
    }

    IValue values() {
        return values.list();
    }

    IValue gradients() {
        return gradients.list();
    }

    IValue firstMoments() {
        return firsts.list();
    }

    IValue secondMoments() {
        return seconds.list();
    }

    /** Copies a gradient, row by row. */
    void exportGradient(Parameter parameter, FloatBuffer into) {
        export(gradients.tensors().get(place(parameter)), parameter, into);
    }

    /** Copies a part, row by row. */
    void export(Parameter parameter, Part part, FloatBuffer into) {
        export(tensor(parameter, part), parameter, into);
    }

    private void export(PtNDArray tensor, Parameter parameter, FloatBuffer into) {
        copied(parameter, (from, to) -> {
            try (Values scope = new Values()) {
                IValue rows = scope.keep(script.call("rows", scope.of(tensor), scope.of(from), scope.of(to)));
                into.put(scope.keep(rows.toTensor(manager)).toFloatArray());
            }
        });
    }

    /** Sets what {@link #export} gave. */
    void set(Parameter parameter, Part part, FloatBuffer from) {
        PtNDArray tensor = tensor(parameter, part);
        copied(parameter, (row, end) -> {
            try (Values scope = new Values()) {
                int columns = columns(parameter);
                float[] numbers = new float[Math.toIntExact((end - row) * columns)];
                from.get(numbers);
                Shape size = parameter.shape().length == 1 ? new Shape(end - row) : new Shape(end - row, columns);
                PtNDArray rows = scope.keep(manager.create(numbers, size));
                scope.keep(script.call("put", scope.of(tensor), scope.of(row), scope.of(rows)));
            }
        });
    }

    /** What copies rows from one to before another. */
    private interface RowCopy {
        void copy(long from, long to);
    }

    private static void copied(Parameter parameter, RowCopy copy) {
        int rows = parameter.shape()[0];
        int step = Math.max(1, COPIED / columns(parameter));
        for (int row = 0; row < rows; row += step) {
            copy.copy(row, Math.min(rows, row + step));
        }
    }

    private static int columns(Parameter parameter) {
        return parameter.shape().length == 1 ? 1 : parameter.shape()[1];
    }

    private PtNDArray tensor(Parameter parameter, Part part) {
        Kept kept = switch (part) {
            case VALUE -> values;
            case FIRST_MOMENT -> firsts;
            case SECOND_MOMENT -> seconds;
        };
        return kept.tensors().get(place(parameter));
    }

    private int place(Parameter parameter) {
        for (int i = 0; i < parameters.size(); i++) {
            if (parameters.get(i).name().equals(parameter.name())) {
                return i;
            }
        }
        throw new IllegalArgumentException(parameter.name() + " does not learn here");
    }
}
