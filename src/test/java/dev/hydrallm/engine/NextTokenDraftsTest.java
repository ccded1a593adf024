package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Drafts;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.PackedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Drafts of layers that read the next token against the plain loops: whatever was accepted, skipped, read late or kept, and
 * whichever token came behind.
 */
class NextTokenDraftsTest {
    private static final int SLOTS = 3;
    private static final int VOCABULARY = 23;
    private static final DraftShape ALL = DraftShape.ofAll(3);
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final DraftTree TREE = DraftTree.of(
            List.of(List.of(0), List.of(0, 0), List.of(1), List.of(0, 1), List.of(0, 0, 0), List.of(2), List.of(1, 0)));

    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({"KERNELS,1,3", "KERNELS,0,1", "KERNELS,2,5", "TORCH,1,5", "TORCH,0,2"})
    void whatIsDraftedIsWhatThePlainLoopsDraft(Kind kind, int forkedLayers, int chunk) {
        Architecture shape = new Architecture(VOCABULARY, 24, 16, 2, 6, 2, 4, 1e-6, 500_000, 96, false);
        DraftLayout draft = new DraftLayout(3, 1, forkedLayers, forkedLayers == 2, Set.of(DraftPart.NEXT_TOKEN));
        try (PackedModel pack = TinyPack.write(folder, shape, draft, Kinds.exactest(kind), 0.4);
                ModelEngine engine = Kinds.load(pack, new EngineOptions(SLOTS, 0, 2, 64, chunk), kind)) {
            Texts texts = new Texts(engine, Kinds.reference(kind, pack), kind);
            texts.begin();
            for (int step = 0; step < 6; step++) {
                texts.step(step);
            }
            texts.goOnFromWhatIsKept();
            assertThat(texts.compared).isEqualTo(81);
        }
    }

    /** A text in each slot, and the token that was chosen behind it. */
    private static final class Texts {
        private final Engine engine;
        private final ReferenceModel reference;
        private final double tolerance;
        private final Random random = new Random(5);
        private final List<List<Integer>> texts = new ArrayList<>();
        private final int[] next = new int[SLOTS];
        private int compared;

        Texts(Engine engine, ReferenceModel reference, Kind kind) {
            this.engine = engine;
            this.reference = reference;
            tolerance = kind == Kind.TORCH ? 1e-4 : 0.05;
        }

        void begin() {
            for (int slot = 0; slot < SLOTS; slot++) {
                texts.add(new ArrayList<>());
                read(slot, tokens(4 + 5 * slot), 0, slot == 1 ? DraftShape.NONE : ALL);
            }
        }

        private void read(int slot, int[] text, int kept, DraftShape wanted) {
            Engine.Prefilled read =
                    engine.prefill(new Engine.PrefillRequest(slot, text, kept, GREEDY, Optional.of(wanted)));
            texts.set(slot, new ArrayList<>(Arrays.stream(text).boxed().toList()));
            next[slot] = read.next();
            check(slot, wanted, read.drafts());
        }

        /** Some path of every slot's tree is accepted, and any token chosen behind it; a slot skips a step, others draft late. */
        void step(int step) {
            List<Engine.TreeQuery> queries = new ArrayList<>();
            List<Engine.Acceptance> acceptances = new ArrayList<>();
            for (int slot = 0; slot < SLOTS; slot++) {
                int[] tokens = tokens(TREE.nodes());
                tokens[0] = next[slot];
                queries.add(new Engine.TreeQuery(slot, texts.get(slot).size(), tokens, TREE, GREEDY));
                if (step != 2 || slot != 0) {
                    int[] path = path(random.nextInt(TREE.nodes()));
                    IntStream.of(path).map(node -> tokens[node]).forEach(texts.get(slot)::add);
                    next[slot] = random.nextInt(VOCABULARY);
                    boolean late = (slot == 1 && step % 2 == 0) || (slot == 2 && step == 3);
                    acceptances.add(new Engine.Acceptance(slot, path, next[slot], late ? DraftShape.NONE : ALL));
                }
            }
            engine.verify(queries);
            List<Drafts> drafts = engine.commit(acceptances);
            for (int i = 0; i < drafts.size(); i++) {
                check(acceptances.get(i).slot(), acceptances.get(i).wanted(), drafts.get(i));
            }
        }

        /** Another token than before stands behind the last row that is kept. */
        void goOnFromWhatIsKept() {
            for (int slot = 0; slot < SLOTS; slot++) {
                for (int kept : new int[] {texts.get(slot).size(), 7, 3, 1}) {
                    int[] text =
                            texts.get(slot).stream().mapToInt(token -> token).toArray();
                    int[] longer = Arrays.copyOf(text, kept + 6);
                    System.arraycopy(tokens(6), 0, longer, kept, 6);
                    read(slot, longer, kept, ALL);
                }
            }
        }

        private int[] tokens(int count) {
            return random.ints(count, 0, VOCABULARY).toArray();
        }

        /** The best guess is one of the best, as far as rounding leaves an order. */
        private void check(int slot, DraftShape wanted, Drafts drafts) {
            if (wanted.ranks() == 0) {
                return;
            }
            int[] text = texts.get(slot).stream().mapToInt(token -> token).toArray();
            double[][] logits = reference.logits(text, next[slot]);
            for (int head = 0; head < 3; head++) {
                double[] own = logits[1 + head];
                double best = Arrays.stream(own).max().orElseThrow();
                double largest = Arrays.stream(own).map(Math::abs).max().orElseThrow();
                assertThat(own[drafts.candidates()[head][0]])
                        .as("head %d after %s, then %d", head, texts.get(slot), next[slot])
                        .isGreaterThan(best - tolerance * largest);
                compared++;
            }
        }
    }

    /** The nodes from the root down to one. */
    private static int[] path(int node) {
        return IntStream.rangeClosed(0, node)
                .filter(other -> other == 0 || TREE.sees(node, other))
                .toArray();
    }
}
