package dev.hydrallm.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Turns what is wrong with a file's set of tensors into one error. */
public final class TensorProblems {
    private TensorProblems() {}

    /**
     * Does nothing when all three lists are empty.
     *
     * @param wrong names with what was found and what was expected
     * @throws ModelFormatException that lists all names
     */
    public static void check(Path file, List<String> missing, List<String> unexpected, List<String> wrong) {
        List<String> problems = new ArrayList<>();
        if (!missing.isEmpty()) {
            problems.add("missing tensors: " + ModelFormatException.list(missing));
        }
        if (!unexpected.isEmpty()) {
            problems.add("unexpected tensors: " + ModelFormatException.list(unexpected));
        }
        if (!wrong.isEmpty()) {
            problems.add("wrong tensors: " + ModelFormatException.list(wrong));
        }
        if (!problems.isEmpty()) {
            throw new ModelFormatException(file + ": " + String.join("; ", problems));
        }
    }
}
