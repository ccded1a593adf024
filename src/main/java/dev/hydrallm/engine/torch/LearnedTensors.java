package dev.hydrallm.engine.torch;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.training.Learner.Parameter;
import dev.hydrallm.training.Learner.Part;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What is kept of parameters between steps: values, gradients and both moments, each a list of tensors that programs change in place. */
final class LearnedTensors {
    private final List<Parameter> parameters;
    private final Kept values;
    private final Kept gradients;
    private final Kept firsts;
    private final Kept seconds;

    /** Tensors beside each other, also as the program takes them. */
    private record Kept(List<PtNDArray> tensors, IValue list) {}

    /**
     * Makes room, all zeros.
     *
     * @param scope owns all of it
     */
    LearnedTensors(List<Parameter> parameters, PtNDManager manager, DataType type, Values scope) {
        this.parameters = parameters;
        values = zeros("values[]", manager, type, scope);
        gradients = zeros("gradients[]", manager, type, scope);
        firsts = zeros("firsts[]", manager, type, scope);
        seconds = zeros("seconds[]", manager, type, scope);
    }

    /** Their name makes DJL give them as one list. */
    private Kept zeros(String name, PtNDManager manager, DataType type, Values scope) {
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

    PtNDArray gradient(Parameter parameter) {
        return gradients.tensors().get(place(parameter));
    }

    PtNDArray tensor(Parameter parameter, Part part) {
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
