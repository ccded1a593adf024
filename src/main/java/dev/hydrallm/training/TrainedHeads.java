package dev.hydrallm.training;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.checkpoint.HeadsFolder;
import dev.hydrallm.checkpoint.TensorWriter;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * What a run leaves in its folder: heads that can be packed with their base.
 *
 * @param dtype of the weights
 * @param base the base's name on a hub, or its path
 */
public record TrainedHeads(DraftLayout layout, DType dtype, String base) {
    /** Files of weights. */
    public enum Files {
        SAFETENSORS,
        /** Beside the other what {@code torch.save} writes. */
        SAFETENSORS_AND_TORCH
    }

    /**
     * Writes them as they are now.
     *
     * @throws IllegalArgumentException when a weight is too large for the type
     */
    public void write(Learner learner, RunFolder folder, Files files) throws IOException {
        HeadsFolder heads = new HeadsFolder(folder.path());
        Map<String, Learner.Parameter> byName =
                learner.parameters().stream().collect(Collectors.toMap(Learner.Parameter::name, Function.identity()));
        List<TensorWriter.Entry> entries = learner.parameters().stream()
                .map(parameter -> TensorWriter.Entry.of(parameter.name(), dtype, parameter.shape()))
                .toList();
        TensorWriter.Values values =
                (entry, into) -> export(learner, Objects.requireNonNull(byName.get(entry.name())), into);
        heads.writeSafetensors(entries, values);
        if (files == Files.SAFETENSORS_AND_TORCH) {
            heads.writeTorch(entries, values);
        }
        heads.writeConfig(layout, base, facts(folder));
    }

    private static void export(Learner learner, Learner.Parameter parameter, FloatBuffer into) {
        learner.export(parameter, Learner.Part.VALUE, into);
    }

    private Map<String, Object> facts(RunFolder folder) throws IOException {
        Map<String, Object> training = new LinkedHashMap<>(folder.identity());
        if (!folder.computed().isEmpty()) {
            training.put("computed_on", folder.computed());
        }
        List<JsonNode> lines = MetricsLog.lines(folder.metrics());
        for (String name : List.of("loss", "eval_loss")) {
            lines.reversed().stream()
                    .filter(line -> line.has(name))
                    .findFirst()
                    .ifPresent(line -> training.put(name.equals("loss") ? "last" : "held_out", line));
        }
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("torch_dtype", torchName());
        facts.put("training", training);
        return facts;
    }

    private String torchName() {
        return switch (dtype) {
            case F16 -> "float16";
            case BF16 -> "bfloat16";
            case F32 -> "float32";
            default -> dtype.name().toLowerCase(Locale.ROOT);
        };
    }
}
