package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The Python names that a pickle may use, and what each stands for. Any other is refused. */
final class PickleGlobals {
    /** What a name makes when it is called. */
    enum Kind {
        DICTIONARY,
        TENSOR,
        PARAMETER,
        STORAGE,
        MODULE,
        /** A set, made of a list. */
        SET,
        /** A value that says nothing about weights. */
        INERT
    }

    /** A name of the list. */
    record Global(String name, Kind kind) {
        /** The element type of a storage class; empty for anything else, and for classes without one. */
        Optional<DType> dtype() {
            return kind == Kind.STORAGE
                    ? Optional.ofNullable(STORAGES.get(name.substring(name.lastIndexOf('.') + 1)))
                    : Optional.empty();
        }
    }

    private static final Map<String, DType> STORAGES = Map.of(
            "DoubleStorage", DType.F64,
            "FloatStorage", DType.F32,
            "HalfStorage", DType.F16,
            "BFloat16Storage", DType.BF16,
            "LongStorage", DType.I64,
            "IntStorage", DType.I32,
            "ShortStorage", DType.I16,
            "CharStorage", DType.I8,
            "ByteStorage", DType.U8,
            "BoolStorage", DType.BOOL);

    private static final Map<String, Kind> EXACT = Map.ofEntries(
            Map.entry("collections.OrderedDict", Kind.DICTIONARY),
            Map.entry("torch._utils._rebuild_tensor_v2", Kind.TENSOR),
            Map.entry("torch._utils._rebuild_parameter", Kind.PARAMETER),
            Map.entry("transformers.models.llama.configuration_llama.LlamaConfig", Kind.INERT),
            Map.entry("transformers.utils.quantization_config.BitsAndBytesConfig", Kind.INERT),
            Map.entry("builtins.set", Kind.SET),
            Map.entry("__builtin__.set", Kind.SET));

    private static final Set<String> DTYPES = Set.of(
            "float16",
            "bfloat16",
            "float32",
            "float64",
            "half",
            "float",
            "double",
            "int8",
            "uint8",
            "int16",
            "int32",
            "int64",
            "bool");

    private static final int LONGEST_NAME = 200;

    private static final Pattern STORAGE = Pattern.compile("torch\\.(storage\\.)?\\w+Storage");

    /** Classes of modules, by the packages they come from: only their attributes are looked at. */
    private static final List<Pattern> MODULES = List.of(
            Pattern.compile("medusa\\.model\\.([\\w.]+\\.)?[A-Z]\\w*"),
            Pattern.compile("torch\\.nn\\.modules\\.\\w+\\.[A-Z]\\w*"),
            Pattern.compile("transformers\\.activations\\.\\w+"));

    private PickleGlobals() {}

    /**
     * What a name stands for.
     *
     * @throws ModelFormatException naming it when it is not on the list
     */
    static Global named(String source, String module, String name) {
        String full = module + "." + name;
        // Longer names are not even compared: that could take long.
        Kind kind = full.length() > LONGEST_NAME ? null : kind(module, name, full);
        if (kind == null) {
            throw new ModelFormatException(source + ": the pickle asks for " + full
                    + ", which is not on the list of what a checkpoint may hold; it was not run");
        }
        return new Global(full, kind);
    }

    private static @Nullable Kind kind(String module, String name, String full) {
        if (STORAGE.matcher(full).matches()) {
            return Kind.STORAGE;
        }
        if (module.equals("torch") && DTYPES.contains(name)) {
            return Kind.INERT;
        }
        return MODULES.stream().anyMatch(pattern -> pattern.matcher(full).matches()) ? Kind.MODULE : EXACT.get(full);
    }
}
