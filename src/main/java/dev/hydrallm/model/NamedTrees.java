package dev.hydrallm.model;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/** Draft trees as lists of paths of child ranks: those that come with the program, and a user's own. */
public final class NamedTrees {
    /** The most paths, the deepest path and the highest rank that a tree may have. */
    public static final int MOST_PATHS = 1024;

    public static final int DEEPEST = DraftLayout.MOST_HEADS;
    public static final int HIGHEST_RANK = 63;

    private static final long LONGEST_FILE = 1 << 20;
    private static final String FOUR_HEADS = "mc_sim_7b_63";
    private static final String THREE_HEADS = "mc_sim_7b_63_depth3";
    private static final Map<String, List<List<Integer>>> TREES = shipped();

    private NamedTrees() {}

    /** The names of the trees that come with the program. */
    public static Set<String> names() {
        return TREES.keySet();
    }

    /**
     * A tree as a person gives it: the shipped one of that name, else a file's.
     *
     * @throws ModelFormatException when it is neither
     */
    public static List<List<Integer>> byNameOrFile(String nameOrFile) {
        return byName(nameOrFile).orElseGet(() -> read(Path.of(nameOrFile)));
    }

    /** The shipped tree of that name. */
    public static Optional<List<List<Integer>>> byName(String name) {
        return Optional.ofNullable(TREES.get(name));
    }

    /** The tree for a model that brings none, not deeper than it has heads; without heads, no path at all. */
    public static List<List<Integer>> defaultFor(int heads) {
        List<List<Integer>> tree = TREES.get(heads == 3 ? THREE_HEADS : FOUR_HEADS);
        return cut(Objects.requireNonNull(tree), heads);
    }

    /** The paths of at most {@code depth} ranks. */
    public static List<List<Integer>> cut(List<List<Integer>> tree, int depth) {
        return tree.stream().filter(path -> path.size() <= depth).toList();
    }

    /**
     * A user's tree: a JSON list of paths.
     *
     * @throws ModelFormatException when the file is no such list, or the tree is out of its bounds
     */
    public static List<List<Integer>> read(Path file) {
        try {
            if (Files.size(file) > LONGEST_FILE) {
                throw new ModelFormatException(file + ": longer than a draft tree can be");
            }
            return validated(Json.MAPPER.readValue(Files.readAllBytes(file), new TypeReference<>() {}));
        } catch (IOException e) {
            throw new ModelFormatException(file + ": no list of paths such as [[0],[0,0],[1]]: " + Json.reason(e), e);
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(file + ": " + e.getMessage(), e);
        }
    }

    /**
     * The tree itself, unmodifiable.
     *
     * @throws IllegalArgumentException when it has too many, too deep, repeated or orphaned paths, or a rank out of range
     */
    static List<List<Integer>> validated(List<List<Integer>> tree) {
        if (tree.size() > MOST_PATHS) {
            throw new IllegalArgumentException("a tree of " + tree.size() + " paths; at most " + MOST_PATHS);
        }
        Set<List<Integer>> paths = new HashSet<>();
        for (List<Integer> path : tree) {
            if (path == null || path.isEmpty() || path.size() > DEEPEST) {
                throw new IllegalArgumentException("the path " + path + " does not have 1 to " + DEEPEST + " ranks");
            }
            for (Integer rank : path) {
                if (rank == null || rank < 0 || rank > HIGHEST_RANK) {
                    throw new IllegalArgumentException(
                            "the path " + path + " has a rank that is not between 0 and " + HIGHEST_RANK);
                }
            }
            if (!paths.add(path)) {
                throw new IllegalArgumentException("the path " + path + " stands twice");
            }
        }
        for (List<Integer> path : tree) {
            if (path.size() > 1 && !paths.contains(path.subList(0, path.size() - 1))) {
                throw new IllegalArgumentException(
                        "the path " + path + " lacks its parent " + path.subList(0, path.size() - 1));
            }
        }
        return tree.stream().map(List::copyOf).toList();
    }

    private static Map<String, List<List<Integer>>> shipped() {
        try (InputStream resource = NamedTrees.class.getResourceAsStream("trees.json")) {
            return Map.copyOf(
                    Json.MAPPER.readValue(resource, new TypeReference<Map<String, List<List<Integer>>>>() {}));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
