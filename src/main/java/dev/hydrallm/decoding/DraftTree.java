package dev.hydrallm.decoding;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The shape of what is drafted each step: node 0 is the root (the base model's own next token), every other node is a
 * draft head's guess. A node of depth {@code d} and rank {@code r} holds the {@code r}-th best token of head
 * {@code d - 1}. Nodes are numbered by (depth, lexicographic path), as Medusa numbers them; siblings therefore stand
 * in rank order and a parent always before its children.
 *
 * <p>Immutable and thread-safe. Two trees of the same paths in the same order are equal.
 */
public final class DraftTree {
    private static final Comparator<List<Integer>> BY_DEPTH_THEN_RANKS = Comparator.<List<Integer>>comparingInt(
                    List::size)
            .thenComparing((a, b) -> {
                for (int i = 0; i < a.size(); i++) {
                    int order = Integer.compare(a.get(i), b.get(i));
                    if (order != 0) {
                        return order;
                    }
                }
                return 0;
            });

    /** The tree of plain decoding: the root and nothing drafted. */
    public static final DraftTree ROOT_ONLY = of(List.of());

    private final List<List<Integer>> paths;
    private final int[] parents;
    private final int[] depths;
    private final int[] ranks;
    /** Kept, for a device looks its form of a tree up at every step. */
    private final int hash;

    private DraftTree(List<List<Integer>> paths) {
        this.paths = paths;
        hash = paths.hashCode();
        List<List<Integer>> sorted = paths.stream().sorted(BY_DEPTH_THEN_RANKS).toList();
        int nodes = sorted.size() + 1;
        parents = new int[nodes];
        depths = new int[nodes];
        ranks = new int[nodes];
        parents[0] = -1;
        ranks[0] = -1;
        Map<List<Integer>, Integer> nodeOf = new HashMap<>();
        nodeOf.put(List.of(), 0);
        for (int node = 1; node < nodes; node++) {
            List<Integer> path = sorted.get(node - 1);
            Integer parent = nodeOf.get(path.subList(0, path.size() - 1));
            if (parent == null) {
                throw new IllegalArgumentException("draft tree: path " + path + " is listed without its prefix "
                        + path.subList(0, path.size() - 1));
            }
            parents[node] = parent;
            depths[node] = path.size();
            ranks[node] = path.getLast();
            nodeOf.put(path, node);
        }
    }

    /**
     * A tree from paths of child ranks, most promising first (the order {@link #first} cuts by).
     *
     * @throws IllegalArgumentException for an empty or repeated path, a negative rank or a path without its prefix
     */
    public static DraftTree of(List<? extends List<Integer>> paths) {
        Set<List<Integer>> seen = new HashSet<>();
        List<List<Integer>> copy = new ArrayList<>();
        for (List<Integer> path : paths) {
            List<Integer> ranks = List.copyOf(path);
            if (ranks.isEmpty()) {
                throw new IllegalArgumentException("draft tree: an empty path (the root is implied, leave it out)");
            }
            if (ranks.stream().anyMatch(rank -> rank < 0)) {
                throw new IllegalArgumentException("draft tree: negative rank in path " + ranks);
            }
            if (!seen.add(ranks)) {
                throw new IllegalArgumentException("draft tree: path " + ranks + " is listed twice");
            }
            copy.add(ranks);
        }
        return new DraftTree(List.copyOf(copy));
    }

    /** Number of nodes, the root included. */
    public int nodes() {
        return parents.length;
    }

    /** Depth of the deepest node; 0 for the root alone. This many draft heads are used. */
    public int depth() {
        return depths[depths.length - 1];
    }

    /** How many candidates of each head the tree uses: its largest rank + 1, 0 for the root alone. */
    public int width() {
        return Arrays.stream(ranks).max().orElse(-1) + 1;
    }

    /** The parent's node number; -1 for the root. */
    public int parent(int node) {
        return parents[node];
    }

    /** Distance to the root, which is also the node's position after the last committed token. */
    public int depth(int node) {
        return depths[node];
    }

    /** Rank among the candidates of head {@code depth - 1}; -1 for the root. */
    public int rank(int node) {
        return ranks[node];
    }

    /** The ranks on the way from the root to a node: its path, empty for the root. */
    public List<Integer> ranksTo(int node) {
        List<Integer> path = new ArrayList<>();
        for (int at = node; at > 0; at = parents[at]) {
            path.addFirst(ranks[at]);
        }
        return path;
    }

    /** The paths, most promising first. */
    public List<List<Integer>> paths() {
        return paths;
    }

    /** Whether {@code other} is {@code node} or stands on the way from the root to it: what {@code node} attends to. */
    public boolean sees(int node, int other) {
        int ancestor = node;
        while (ancestor > other) {
            ancestor = parents[ancestor];
        }
        return ancestor == other;
    }

    /** The tree without the nodes deeper than {@code depth}. */
    public DraftTree withinDepth(int depth) {
        return depth >= depth()
                ? this
                : of(paths.stream().filter(path -> path.size() <= depth).toList());
    }

    /** The tree of some of the nodes, which keep their order; a node's ancestors must be among them. */
    public DraftTree only(BitSet nodes) {
        return of(
                nodes.stream().filter(node -> node > 0).mapToObj(this::ranksTo).toList());
    }

    /** The tree of at most {@code nodes} nodes (root included) grown in the order of {@link #paths()}. */
    public DraftTree first(int nodes) {
        if (nodes >= nodes()) {
            return this;
        }
        Set<List<Integer>> kept = new HashSet<>();
        kept.add(List.of());
        List<List<Integer>> chosen = new ArrayList<>();
        for (List<Integer> path : paths) {
            boolean connected = kept.contains(path.subList(0, path.size() - 1));
            if (connected && chosen.size() < nodes - 1) {
                kept.add(path);
                chosen.add(path);
            }
        }
        return of(chosen);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof DraftTree tree && hash == tree.hash && paths.equals(tree.paths);
    }

    @Override
    public int hashCode() {
        return hash;
    }

    @Override
    public String toString() {
        return "DraftTree[nodes=" + nodes() + ", depth=" + depth() + "]";
    }
}
