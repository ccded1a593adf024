package dev.hydrallm.training;

import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** Options that something was begun with, against those that it is to be gone on with. */
public final class Differences {
    private Differences() {}

    /**
     * What is different, in words.
     *
     * @param held by the option's name
     * @param wanted likewise
     */
    public static Optional<String> of(Map<String, String> held, Map<String, String> wanted) {
        TreeSet<String> names = new TreeSet<>(held.keySet());
        names.addAll(wanted.keySet());
        String different = names.stream()
                .filter(name -> !Objects.equals(held.get(name), wanted.get(name)))
                .map(name -> name + " was " + held.getOrDefault(name, "not given") + " and is "
                        + wanted.getOrDefault(name, "not given"))
                .collect(Collectors.joining("; "));
        return Optional.of(different).filter(words -> !words.isEmpty());
    }
}
