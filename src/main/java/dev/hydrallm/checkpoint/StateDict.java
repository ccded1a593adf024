package dev.hydrallm.checkpoint;

import dev.hydrallm.model.ModelFormatException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Finds the tensors in an unpickled value: a flat dictionary, dictionaries in dictionaries, or modules, whose parameters,
 * buffers and children are named as {@code Module.state_dict()} names them.
 */
final class StateDict {
    private static final int DEEPEST = 32;
    private static final int MOST_ENTRIES = 1 << 17;
    private static final int LONGEST_NAME = 300;

    private final String source;
    private final Map<String, PickledTensor> tensors = new LinkedHashMap<>();
    private final List<String> others = new ArrayList<>();
    private int visited;

    private StateDict(String source) {
        this.source = source;
    }

    /**
     * The tensors by their dotted names.
     *
     * @throws ModelFormatException when the value is no dictionary, holds anything else than tensors, or two of one name
     */
    static Map<String, PickledTensor> tensors(String source, Object value) {
        StateDict dict = new StateDict(source);
        if (!(value instanceof Map) && !(value instanceof Unpickler.Module)) {
            throw new ModelFormatException(source + ": holds no dictionary of tensors");
        }
        dict.add("", value, 0);
        if (!dict.others.isEmpty()) {
            throw new ModelFormatException(
                    source + ": these entries are no tensors: " + ModelFormatException.list(dict.others));
        }
        return dict.tensors;
    }

    private void add(String name, Object value, int depth) {
        if (depth > DEEPEST) {
            throw new ModelFormatException(source + ": dictionaries are nested deeper than " + DEEPEST);
        }
        // A dictionary may hold itself, twice in every round.
        if (++visited > MOST_ENTRIES) {
            throw new ModelFormatException(source + ": more than " + MOST_ENTRIES + " entries");
        }
        switch (value) {
            case PickledTensor tensor -> put(name, tensor);
            case Map<?, ?> map -> map.forEach((key, each) -> add(join(name, key), each, depth + 1));
            case Unpickler.Module module -> addModule(name, module, depth);
            default -> others.add(name);
        }
    }

    private void addModule(String name, Unpickler.Module module, int depth) {
        // Rotary tables and the like, which follow from the configuration.
        List<?> computed = module.attributes().get("_non_persistent_buffers_set") instanceof Unpickler.Tuple names
                ? names.items()
                : List.of();
        for (String part : List.of("_parameters", "_buffers", "_modules")) {
            if (module.attributes().get(part) instanceof Map<?, ?> members) {
                members.forEach((key, member) -> {
                    // A linear layer without a bias holds None in its place.
                    if (!(member instanceof Unpickler.None) && !computed.contains(key)) {
                        add(join(name, key), member, depth + 1);
                    }
                });
            }
        }
    }

    private void put(String name, PickledTensor tensor) {
        if (tensors.put(name, tensor) != null) {
            throw new ModelFormatException(source + ": tensor " + name + " stands twice");
        }
    }

    private String join(String prefix, Object key) {
        if (!(key instanceof String) && !(key instanceof Long)) {
            throw new ModelFormatException(source + ": an entry of " + (prefix.isEmpty() ? "the file" : prefix)
                    + " has a key that is no name");
        }
        String own = key.toString();
        if (prefix.length() + own.length() >= LONGEST_NAME) {
            throw new ModelFormatException(source + ": the name of an entry is longer than " + LONGEST_NAME);
        }
        return prefix.isEmpty() ? own : prefix + "." + own;
    }
}
