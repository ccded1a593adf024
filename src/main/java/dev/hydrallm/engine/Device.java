package dev.hydrallm.engine;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where a model computes. */
public sealed interface Device {
    /** The first GPU where there is one that libtorch can use, else the processor. */
    Device AUTO = new Auto();

    /** The processor. */
    Device CPU = new Cpu();

    /** The machine's choice. */
    record Auto() implements Device {
        @Override
        public String toString() {
            return "auto";
        }
    }

    /** The processor. */
    record Cpu() implements Device {
        @Override
        public String toString() {
            return "cpu";
        }
    }

    /**
     * A GPU of NVIDIA.
     *
     * @param index as CUDA counts, from 0
     */
    record Cuda(int index) implements Device {
        /** The first GPU. */
        public static final Cuda FIRST = new Cuda(0);

        @Override
        public String toString() {
            return "cuda:" + index;
        }
    }

    /** {@code cuda}, or {@code cuda:N}. */
    Pattern CUDA_NAME = Pattern.compile("cuda(?::([0-9]{1,3}))?");

    /**
     * The device of a name: auto, cpu, cuda or cuda:N.
     *
     * @throws IllegalArgumentException when there is none of that name
     */
    static Device named(String name) {
        String lower = name.strip().toLowerCase(Locale.ROOT);
        Matcher cuda = CUDA_NAME.matcher(lower);
        if (cuda.matches()) {
            String index = cuda.group(1);
            return index == null ? Cuda.FIRST : new Cuda(Integer.parseInt(index));
        }
        return switch (lower) {
            case "auto" -> AUTO;
            case "cpu" -> CPU;
            default -> throw new IllegalArgumentException("device " + name + " is not auto, cpu, cuda or cuda:N");
        };
    }
}
