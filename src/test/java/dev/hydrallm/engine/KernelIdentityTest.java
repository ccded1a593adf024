package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.engine.DecoderProgram.Accepted;
import dev.hydrallm.engine.DecoderProgram.Choice;
import dev.hydrallm.engine.DecoderProgram.Rows;
import dev.hydrallm.engine.cpu.CpuProgram;
import dev.hydrallm.engine.cpu.OnlyWithKernels;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AddLifecycleHook;

/**
 * What the kernels compute of a row has the same bits alone, among any other rows, in prompts read in parts of any size, as a
 * node of any tree, on any number of threads: compared to decoding token by token on one thread.
 */
@AddLifecycleHook(OnlyWithKernels.class)
class KernelIdentityTest extends PackFolder {
    private static final int MOST_ROWS = 64;
    /** Its scores are the logarithms of the probabilities of the rows' own tokens, whatever those are. */
    private static final AcceptanceRule SCORES = new AcceptanceRule.Typical(1, 0, 0);

    private static final DraftShape WANTED = new DraftShape(2, 3);

    private static final AcceptanceRule SAMPLED = new AcceptanceRule.Sampled(1.1, 20, 0.95, 0.01, 5);

    @Provide
    Arbitrary<Shape> shapes() {
        return KernelShapes.shapes();
    }

    @Provide
    Arbitrary<DraftTree> trees() {
        return KernelShapes.trees();
    }

    private PackedModel pack(Shape shape) {
        return TinyPack.write(folder(), shape.architecture(), shape.draft(), WeightFormat.INT8, 0.3);
    }

    private static CpuProgram load(PackedModel pack, int threads) {
        return CpuProgram.load(pack, new EngineOptions(3, 0, threads, MOST_ROWS, MOST_ROWS), KernelShapes.CONTEXT);
    }

    private static int[] tokens(Random random, int count, PackedModel pack) {
        return random.ints(count, 0, pack.architecture().vocabSize()).toArray();
    }

    private static Rows run(int slot, int start, int count) {
        return new Rows(slot, start, new RowShape.Run(count));
    }

    /** The logarithms of all probabilities after each token, (tokens) of (vocabulary); fills the slot. */
    private static double[][] oneByOne(CpuProgram program, int slot, int from, int... tokens) {
        double[][] rows = new double[tokens.length][];
        Arrays.setAll(rows, i -> program.logProbabilities(new int[] {tokens[i]}, run(slot, from + i, 1)));
        return rows;
    }

    private static double[] joined(double[]... rows) {
        return Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
    }

    @Property(tries = 100)
    void promptsGiveTheSameBitsInPartsOfAnySizeOnAnyThreads(
            @ForAll("shapes") Shape shape,
            @ForAll @IntRange(min = 1, max = KernelShapes.CONTEXT) int length,
            @ForAll @IntRange(min = 1, max = MOST_ROWS) int part,
            @ForAll @IntRange(min = 2, max = 4) int threads) {
        try (PackedModel pack = pack(shape);
                CpuProgram single = load(pack, 1);
                CpuProgram several = load(pack, threads)) {
            int[] text = tokens(new Random(length), length, pack);
            double[][] expected = oneByOne(single, 0, 0, text);
            for (int from = 0; from < length; from += part) {
                int to = Math.min(from + part, length);
                assertThat(several.logProbabilities(Arrays.copyOfRange(text, from, to), run(1, from, to - from)))
                        .as("rows %d to %d", from, to)
                        .isEqualTo(joined(Arrays.copyOfRange(expected, from, to)));
            }
        }
    }

    @Property(tries = 100)
    void aNodeGivesTheBitsOfItsPathDecodedAlone(
            @ForAll("shapes") Shape shape,
            @ForAll("trees") DraftTree tree,
            @ForAll @IntRange(min = 0, max = KernelShapes.CONTEXT - 20) int start,
            @ForAll @IntRange(min = 1, max = 4) int threads) {
        try (PackedModel pack = pack(shape);
                CpuProgram single = load(pack, 1);
                CpuProgram several = load(pack, threads)) {
            Random random = new Random(start);
            int[] text = tokens(random, start, pack);
            int[] nodes = tokens(random, tree.nodes(), pack);
            oneByOne(single, 0, 0, text);
            read(several, 0, text);
            int vocabulary = pack.architecture().vocabSize();
            double[] found = several.logProbabilities(nodes, new Rows(0, start, new RowShape.Nodes(tree)));
            for (int node = 0; node < nodes.length; node++) {
                double[][] expected = oneByOne(single, 0, start, on(path(tree, node), nodes));
                assertThat(Arrays.copyOfRange(found, node * vocabulary, (node + 1) * vocabulary))
                        .as("node %d", node)
                        .isEqualTo(expected[expected.length - 1]);
            }
            // What is kept of the tree is what the path alone left behind.
            int leaf = nodes.length - 1 - random.nextInt(Math.min(3, nodes.length));
            int[] path = path(tree, leaf);
            several.keep(0, start, path);
            oneByOne(single, 0, start, on(path, nodes));
            int next = start + path.length;
            int[] more = tokens(random, 3, pack);
            assertThat(several.logProbabilities(more, run(0, next, 3)))
                    .isEqualTo(joined(oneByOne(single, 0, next, more)));
        }
    }

    /** Reads a prompt at once. */
    private static void read(CpuProgram program, int slot, int[] text) {
        if (text.length > 0) {
            program.verify(text, List.of(run(slot, 0, text.length)), new Choice(text.length, Selection.NONE));
        }
    }

    /** The nodes from the root to one. */
    private static int[] path(DraftTree tree, int node) {
        int[] path = new int[tree.depth(node) + 1];
        for (int at = node; at >= 0; at = tree.parent(at)) {
            path[tree.depth(at)] = at;
        }
        return path;
    }

    private static int[] on(int[] path, int[] tokens) {
        return Arrays.stream(path).map(node -> tokens[node]).toArray();
    }

    /** A sequence of a batch. */
    private record Request(int slot, int[] text, DraftTree tree, int[] nodes, AcceptanceRule rule) {
        Rows rows() {
            return new Rows(slot, text.length, new RowShape.Nodes(tree));
        }

        Selection.Part part() {
            return new Selection.Part(rule, tree, text.length);
        }
    }

    @Property(tries = 100)
    void sequencesThatRunTogetherGetTheBitsThatTheyGetAlone(
            @ForAll("shapes") Shape shape,
            @ForAll("trees") DraftTree tree,
            @ForAll("trees") DraftTree other,
            @ForAll @IntRange(min = 1, max = KernelShapes.CONTEXT - 22) int length,
            @ForAll @IntRange(min = 1, max = 4) int threads) {
        try (PackedModel pack = pack(shape);
                CpuProgram single = load(pack, 1);
                CpuProgram several = load(pack, threads)) {
            Random random = new Random(length);
            List<Request> batch = new ArrayList<>();
            for (DraftTree each : List.of(tree, other, DraftTree.ROOT_ONLY)) {
                batch.add(new Request(
                        batch.size(),
                        tokens(random, 1 + random.nextInt(length), pack),
                        each,
                        tokens(random, each.nodes(), pack),
                        batch.size() == 1 ? SAMPLED : SCORES));
            }
            batch.forEach(each -> read(several, each.slot(), each.text()));
            int[] ids = batch.stream()
                    .flatMapToInt(each -> Arrays.stream(each.nodes()))
                    .toArray();
            double[] found = several.verify(
                    ids,
                    batch.stream().map(Request::rows).toList(),
                    new Choice(
                            0, new Selection(batch.stream().map(Request::part).toList())));
            int[] drafts = drafts(several, batch);
            int row = 0;
            for (Request each : batch) {
                read(single, 0, each.text());
                Rows rows = new Rows(0, each.text().length, new RowShape.Nodes(each.tree()));
                double[] alone =
                        single.verify(each.nodes(), List.of(rows), new Choice(0, new Selection(List.of(each.part()))));
                assertThat(Arrays.copyOfRange(found, 2 * row, 2 * (row + each.nodes().length)))
                        .as("request %d", each.slot())
                        .isEqualTo(alone);
                int[] draftsAlone = single.draft(
                                new Accepted(new int[] {0}, new int[] {each.slot() % 2}), List.of(run(0, 0, 1)), WANTED)
                        .tokens();
                int heads = pack.draft().heads();
                for (int head = 0; head < heads; head++) {
                    int from = (head * batch.size() + each.slot()) * 3;
                    assertThat(Arrays.copyOfRange(drafts, from, from + 3))
                            .as("head %d of request %d", head, each.slot())
                            .isEqualTo(Arrays.copyOfRange(draftsAlone, head * 3, head * 3 + 3));
                }
                row += each.nodes().length;
            }
            for (Request each : batch) {
                int[] more = tokens(new Random(each.slot()), 2, pack);
                read(single, 0, each.text());
                oneByOne(single, 0, each.text().length, each.nodes()[0]);
                int next = each.text().length + 1;
                assertThat(several.logProbabilities(more, run(each.slot(), next, 2)))
                        .isEqualTo(joined(oneByOne(single, 0, next, more)));
            }
        }
    }

    /** What the heads guess after each request's root, as the first thing that the draft layers read. */
    private static int[] drafts(CpuProgram program, List<Request> batch) {
        int[] roots = new int[batch.size()];
        for (int i = 1; i < roots.length; i++) {
            roots[i] = roots[i - 1] + batch.get(i - 1).nodes().length;
        }
        return program.draft(
                        new Accepted(
                                roots,
                                batch.stream().mapToInt(each -> each.slot() % 2).toArray()),
                        IntStream.range(0, roots.length)
                                .mapToObj(slot -> run(slot, 0, 1))
                                .toList(),
                        WANTED)
                .tokens();
    }
}
