package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How the matrices of a tensor group are stored. Norms, biases and the scales of int8 are F32 in every format. */
public sealed interface WeightFormat {
    WeightFormat F32 = new Floats(DType.F32);
    WeightFormat F16 = new Floats(DType.F16);
    WeightFormat INT8 = new Int8();
    WeightFormat NF4 = new Nf4();

    /** Numbers as they are: F32 or F16. */
    record Floats(DType dtype) implements WeightFormat {
        public Floats {
            if (dtype != DType.F32 && dtype != DType.F16) {
                throw new IllegalArgumentException("weights are stored as f32 or f16, not as " + dtype);
            }
        }

        @Override
        public String toString() {
            return dtype.name().toLowerCase(Locale.ROOT);
        }
    }

    /** Signed codes beside one F32 scale per output row: weight = code × scale. */
    record Int8() implements WeightFormat {
        @Override
        public String toString() {
            return "int8";
        }
    }

    /**
     * Two unsigned codes to a byte, the first in the high half, beside an F16 scale per group of a row. Symmetric: weight =
     * (code − 8) × scale. Asymmetric: weight = minimum + code × scale, the minimum in F16 too.
     *
     * @param groupSize 32, 64 or 128
     */
    record Int4(int groupSize, Symmetry symmetry) implements WeightFormat {
        private static final Pattern NAME = Pattern.compile("int4-g(32|64|128)(-asym)?");

        /** The group sizes that there are. */
        public static final List<Integer> GROUP_SIZES = List.of(32, 64, 128);

        /** Whether a group's levels lie around zero or wherever its weights do. */
        public enum Symmetry {
            SYMMETRIC,
            ASYMMETRIC
        }

        /** @throws IllegalArgumentException for another group size */
        public Int4 {
            if (!GROUP_SIZES.contains(groupSize)) {
                throw new IllegalArgumentException(
                        "a group of " + groupSize + " weights; int4 has groups of 32, 64 or 128");
            }
        }

        @Override
        public String toString() {
            return "int4-g" + groupSize + (symmetry == Symmetry.ASYMMETRIC ? "-asym" : "");
        }
    }

    /**
     * bitsandbytes' 4-bit NormalFloat with double quantization: two codes to a byte, the first in the high half, an absmax in
     * 8 bits per {@value #BLOCK} weights, an F32 scale per {@value #ABSMAX_BLOCK} absmaxes and an F32 mean per matrix.
     */
    record Nf4() implements WeightFormat {
        /** Weights that share an absmax. */
        public static final int BLOCK = 64;
        /** Absmaxes that share a scale. */
        public static final int ABSMAX_BLOCK = 256;

        @Override
        public String toString() {
            return "nf4";
        }
    }

    /**
     * The format of that name: {@code f32}, {@code f16}, {@code int8}, {@code int4-g64} (or another group size),
     * {@code int4-g64-asym}, {@code nf4}. It is what {@link #toString} gives.
     *
     * @throws IllegalArgumentException for any other
     */
    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    static WeightFormat named(String name) {
        for (WeightFormat format : List.of(F32, F16, INT8, NF4)) {
            if (format.toString().equals(name)) {
                return format;
            }
        }
        Matcher int4 = Int4.NAME.matcher(name);
        if (!int4.matches()) {
            throw new IllegalArgumentException(
                    "unknown weight format " + name
                            + ": this program reads f32, f16, int8, int4-g32, int4-g64, int4-g128, each int4 also with -asym, and nf4");
        }
        return new Int4(
                Integer.parseInt(int4.group(1)),
                int4.group(2) == null ? Int4.Symmetry.SYMMETRIC : Int4.Symmetry.ASYMMETRIC);
    }

    /** The format's name, as the manifest has it. */
    @JsonValue
    @Override
    String toString();
}
