package dev.hydrallm.decoding;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;

/** Random draft trees for the laws. */
final class Trees {
    private Trees() {}

    /** Trees of 1 to {@code nodes} nodes. */
    static Arbitrary<DraftTree> upTo(int nodes, int depth, int width) {
        return Arbitraries.randomValue(random -> grow(random, random.nextInt(nodes) + 1, depth, width));
    }

    static DraftTree grow(Random random, int nodes, int depth, int width) {
        List<List<Integer>> paths = new ArrayList<>();
        for (int attempt = 0; paths.size() < nodes - 1 && attempt < 20 * nodes; attempt++) {
            int pick = random.nextInt(paths.size() + 1);
            List<Integer> path = new ArrayList<>(pick == 0 ? List.of() : paths.get(pick - 1));
            path.add(random.nextInt(width));
            if (path.size() <= depth && !paths.contains(path)) {
                paths.add(path);
            }
        }
        return DraftTree.of(paths);
    }
}
