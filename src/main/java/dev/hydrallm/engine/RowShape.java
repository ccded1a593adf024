package dev.hydrallm.engine;

import dev.hydrallm.decoding.DraftTree;

/** How fresh rows of a sequence see each other, and where they stand. */
public sealed interface RowShape {
    /** How many rows there are. */
    int count();

    /** Distance of a row to the first. */
    int depth(int row);

    /** Whether a row sees another. */
    boolean sees(int row, int other);

    /** Rows that are a tree's nodes: each sees its ancestors and itself. */
    record Nodes(DraftTree tree) implements RowShape {
        @Override
        public int count() {
            return tree.nodes();
        }

        @Override
        public int depth(int row) {
            return tree.depth(row);
        }

        @Override
        public boolean sees(int row, int other) {
            return other <= row && tree.sees(row, other);
        }
    }

    /** Rows that follow each other: each sees those before it and itself. */
    record Run(int count) implements RowShape {
        @Override
        public int depth(int row) {
            return row;
        }

        @Override
        public boolean sees(int row, int other) {
            return other <= row;
        }
    }
}
