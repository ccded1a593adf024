package dev.hydrallm.checkpoint.gguf;

import dev.hydrallm.quantization.GgmlFormat;
import java.util.Map;
import java.util.Optional;

/** The numbers that stand for tensor types in a file: {@code enum ggml_type} of ggml's {@code ggml.h}. */
final class GgufTypes {
    private static final Map<Long, GgmlFormat> SUPPORTED = Map.ofEntries(
            Map.entry(0L, GgmlFormat.F32),
            Map.entry(1L, GgmlFormat.F16),
            Map.entry(2L, GgmlFormat.Q4_0),
            Map.entry(3L, GgmlFormat.Q4_1),
            Map.entry(6L, GgmlFormat.Q5_0),
            Map.entry(7L, GgmlFormat.Q5_1),
            Map.entry(8L, GgmlFormat.Q8_0),
            Map.entry(12L, GgmlFormat.Q4_K),
            Map.entry(13L, GgmlFormat.Q5_K),
            Map.entry(14L, GgmlFormat.Q6_K),
            Map.entry(30L, GgmlFormat.BF16));

    private static final Map<Long, String> OTHERS = Map.ofEntries(
            Map.entry(9L, "Q8_1"),
            Map.entry(10L, "Q2_K"),
            Map.entry(11L, "Q3_K"),
            Map.entry(15L, "Q8_K"),
            Map.entry(16L, "IQ2_XXS"),
            Map.entry(17L, "IQ2_XS"),
            Map.entry(18L, "IQ3_XXS"),
            Map.entry(19L, "IQ1_S"),
            Map.entry(20L, "IQ4_NL"),
            Map.entry(21L, "IQ3_S"),
            Map.entry(22L, "IQ2_S"),
            Map.entry(23L, "IQ4_XS"),
            Map.entry(24L, "I8"),
            Map.entry(25L, "I16"),
            Map.entry(26L, "I32"),
            Map.entry(27L, "I64"),
            Map.entry(28L, "F64"),
            Map.entry(29L, "IQ1_M"),
            Map.entry(34L, "TQ1_0"),
            Map.entry(35L, "TQ2_0"),
            Map.entry(39L, "MXFP4"));

    private GgufTypes() {}

    static Optional<GgmlFormat> supported(long id) {
        return Optional.ofNullable(SUPPORTED.get(id));
    }

    /** What people call a type. */
    static String nameOf(long id) {
        return OTHERS.getOrDefault(id, "number " + id);
    }
}
