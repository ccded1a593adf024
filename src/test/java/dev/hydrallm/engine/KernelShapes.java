package dev.hydrallm.engine;

import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.SlidingWindow;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import org.jspecify.annotations.Nullable;

/** Models and trees of the shapes that the kernels treat differently: around their tiles, blocks and groups. */
final class KernelShapes {
    static final int CONTEXT = 80;

    private KernelShapes() {}

    /** How many query heads and key heads of what size. */
    private record Heads(int dim, int keys, int group) {}

    static Arbitrary<Shape> shapes() {
        return Combinators.combine(heads(), sizes(), layers(), parts(), windows())
                .as((heads, sizes, layers, parts, window) -> new Shape(
                        new Architecture(
                                sizes.get(0),
                                sizes.get(1),
                                sizes.get(2),
                                layers,
                                heads.keys() * heads.group(),
                                heads.keys(),
                                heads.dim(),
                                1e-5,
                                10_000,
                                CONTEXT,
                                sizes.get(0) % 2 == 0,
                                parts,
                                window,
                                null),
                        // Heads with layers of their own, and without.
                        new DraftLayout(
                                2, 1 + sizes.get(1) % 2, sizes.get(2) % 2, sizes.get(2) % 3 == 0, draftParts(sizes))));
    }

    private static Set<DraftPart> draftParts(List<Integer> sizes) {
        return sizes.getFirst() % 3 == 0 ? Set.of(DraftPart.NEXT_TOKEN) : Set.of();
    }

    private static Arbitrary<Heads> heads() {
        Arbitrary<Integer> dims = Arbitraries.of(2, 4, 6, 24, 32, 64, 80, 128);
        return Combinators.combine(
                        dims, Arbitraries.of(1, 2, 3), Arbitraries.integers().between(1, 9))
                .as(Heads::new);
    }

    /** Vocabulary, hidden size and intermediate size. */
    private static Arbitrary<List<Integer>> sizes() {
        return Combinators.combine(
                        Arbitraries.oneOf(
                                Arbitraries.of(32, 33, 64),
                                Arbitraries.integers().between(3, 100)),
                        Arbitraries.oneOf(
                                Arbitraries.of(16, 17, 48),
                                Arbitraries.integers().between(3, 70)),
                        Arbitraries.oneOf(
                                Arbitraries.of(15, 16, 128),
                                Arbitraries.integers().between(1, 90)))
                .as(List::of);
    }

    private static Arbitrary<Integer> layers() {
        return Arbitraries.of(1, 2);
    }

    private static Arbitrary<Set<AttentionPart>> parts() {
        return Arbitraries.of(AttentionPart.class).set();
    }

    private static Arbitrary<@Nullable SlidingWindow> windows() {
        return Arbitraries.integers()
                .between(1, 40)
                .map(length -> new SlidingWindow(length, 0))
                .injectNull(0.5);
    }

    /** Trees of up to 20 nodes. */
    static Arbitrary<DraftTree> trees() {
        return Arbitraries.integers().between(0, 1000).list().ofMaxSize(19).map(KernelShapes::tree);
    }

    /** The tree in which node i hangs under node parents[i - 1] mod i. */
    private static DraftTree tree(List<Integer> parents) {
        List<List<Integer>> paths = new ArrayList<>(List.of(List.of()));
        List<Integer> children = new ArrayList<>(List.of(0));
        for (int each : parents) {
            int parent = each % paths.size();
            List<Integer> path = new ArrayList<>(paths.get(parent));
            path.add(children.get(parent));
            children.set(parent, children.get(parent) + 1);
            paths.add(path);
            children.add(0);
        }
        return DraftTree.of(paths.subList(1, paths.size()));
    }
}
