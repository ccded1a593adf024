package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.engine.EngineOptions.Precision;
import dev.hydrallm.engine.torch.Gpu;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Greedy decoding gives the same ids with trees of 2 to 64 nodes, and with as much of one as pays, as without any, on the
 * demo model: on the kernels, and on libtorch in both precisions. {@code -Dhydra.lossless.tokens=N} compares that many tokens on
 * the kernels; libtorch, which takes several times as long, gets three tenths of them in each precision.
 */
class LosslessTest {
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final List<Integer> SMALL_TREES = List.of(2, 4, 8);
    private static final List<Integer> ALL_TREES = List.of(2, 4, 8, 16, 32, 64);
    private static final int TOKENS = Integer.getInteger("hydra.lossless.tokens", 10_000);
    private static final int TOKENS_OF_A_PROMPT = 120;
    private static final int CONTEXT = 1024;
    /** Room for {@link #margin} to read a whole context at once. */
    private static final EngineOptions OPTIONS = new EngineOptions(1, 0, 0, CONTEXT, 256);

    private static final DraftTree TREE =
            DraftTree.of(NamedTrees.byName("mc_sim_7b_63_depth3").orElseThrow());
    private static final List<String> BEGINNINGS = List.of(
            "import json\n\n\ndef load(path):\n    \"\"\"Reads",
            "class Matrix:\n    def __init__(self, rows, columns):\n        self.rows = rows\n",
            "for i in range(10):\n    print(",
            "# Copyright 2019\n#\n# Licensed under the",
            "def quicksort(values):\n    if len(values) < 2:\n        return values\n",
            "x",
            "async def fetch(session, url):\n    async with session.get(url) as response:\n",
            "@pytest.mark.parametrize('size', [1, 2, 3])\ndef test_");

    @TempDir
    Path folder;

    @ParameterizedTest
    @EnumSource(names = {"KERNELS", "TORCH"})
    void eightBitSpeculationGivesThePlainIds(Kind kind) {
        try (PackedModel demo = PackedModel.open(Path.of("models", "demo"))) {
            assertLossless(demo, demo, kind);
        }
    }

    @Test
    void singlePrecisionSpeculationGivesThePlainIds() {
        try (PackedModel demo = PackedModel.open(Path.of("models", "demo"));
                PackedModel expanded = TinyPack.expanded(folder, demo)) {
            assertLossless(expanded, demo, Kind.TORCH);
        }
    }

    @Test
    @Tag("gpu")
    void eightBitSpeculationGivesThePlainIdsOnAGpu() {
        try (PackedModel demo = PackedModel.open(Path.of("models", "demo"))) {
            assertThat(compare(demo, demo, Gpu.options(OPTIONS), TOKENS).differences())
                    .isEmpty();
        }
    }

    @Test
    @Tag("gpu")
    void singlePrecisionSpeculationGivesThePlainIdsOnAGpu() {
        EngineOptions options = Gpu.options(OPTIONS).in(Precision.SINGLE);
        try (PackedModel demo = PackedModel.open(Path.of("models", "demo"));
                PackedModel expanded = TinyPack.expanded(folder, demo)) {
            assertThat(compare(expanded, demo, options, TOKENS * 3 / 10).differences())
                    .isEmpty();
        }
    }

    /** Half precision cannot: a sum's order moves its last bit, and a close call falls the other way. */
    @Test
    @Tag("gpu")
    void halfPrecisionSpeculationGivesThePlainIdsButForCloseCallsOnAGpu() {
        EngineOptions options = Gpu.options(OPTIONS);
        try (PackedModel demo = PackedModel.open(Path.of("models", "demo"));
                PackedModel expanded = TinyPack.expanded(folder, demo)) {
            Comparison half = compare(expanded, demo, options, TOKENS);
            assertThat(half.differences())
                    .as("%d choices behind the same tokens compared", half.compared())
                    .hasSizeLessThanOrEqualTo(half.compared() / 1000);
        }
    }

    private static void assertLossless(PackedModel pack, PackedModel demo, Kind kind) {
        int wanted = kind == Kind.KERNELS ? TOKENS : TOKENS * 3 / 10;
        Comparison comparison = compare(pack, demo, Kinds.on(kind, pack, OPTIONS.on(Device.CPU)), wanted);
        assertThat(comparison.differences())
                .as("%d tokens compared", comparison.compared())
                .isEmpty();
    }

    /** How many choices were compared, both sides having chosen the same so far, and those that differ. */
    private record Comparison(int compared, List<String> differences) {}

    private static Comparison compare(PackedModel pack, PackedModel demo, EngineOptions options, int wanted) {
        try (Tokenizer tokenizer = tokenizer(demo);
                ModelEngine engine = ModelEngine.load(pack, options)) {
            int compared = 0;
            int steps = 0;
            int tokens = 0;
            List<String> differences = new ArrayList<>();
            for (int i = 0; compared < wanted; i++) {
                int[] prompt = prompt(i, tokenizer);
                int[] plain = Decoding.run(
                                engine, prompt, DraftTree.ROOT_ONLY, GREEDY, Decoding.tokens(TOKENS_OF_A_PROMPT))
                        .output();
                for (Speculation way : ways(i)) {
                    Sequence sequence = Decoding.run(
                            engine, new KvSlots(1), prompt, way, GREEDY, Decoding.tokens(TOKENS_OF_A_PROMPT));
                    steps += sequence.statistics().steps();
                    int at = Arrays.mismatch(sequence.output(), plain);
                    if (at >= 0) {
                        differences.add(
                                "prompt %d, %s, token %d: %s".formatted(i, way, at, margin(engine, prompt, plain, at)));
                    }
                    compared += at < 0 ? plain.length : at + 1;
                    tokens += sequence.output().length;
                }
            }
            assertThat(steps).as("drafts were accepted").isLessThan(tokens * 3 / 4);
            return new Comparison(compared, differences);
        }
    }

    /** Parts of a tree and of the text as they pay, of the text alone, and whole trees; the large ones, which take long, for every third prompt. */
    private static List<Speculation> ways(int prompt) {
        List<Integer> sizes = prompt % 3 == 0 ? ALL_TREES : SMALL_TREES;
        return Stream.concat(
                        Stream.of(Speculation.adaptive(TREE.first(16)), Speculation.adaptive(DraftTree.ROOT_ONLY)),
                        sizes.stream().map(nodes -> Speculation.whole(TREE.first(nodes))))
                .toList();
    }

    private static Tokenizer tokenizer(PackedModel pack) {
        return Tokenizer.load(
                pack.tokenizerFile(), pack.manifest().bosId(), pack.manifest().eosIds());
    }

    /** Beginnings of Python files, then random ids: few, many, and so many that the context ends the answer. */
    private static int[] prompt(int i, Tokenizer tokenizer) {
        Random random = new Random(i);
        int kind = i % 12;
        if (kind < BEGINNINGS.size()) {
            int[] text = tokenizer.encode(BEGINNINGS.get(kind));
            // The second time round a random token makes it another text.
            int[] prompt = Arrays.copyOf(text, text.length + i / 12);
            Arrays.fill(prompt, text.length, prompt.length, 3 + random.nextInt(4000));
            return prompt;
        }
        int length = switch (kind) {
            case 8 -> 1 + random.nextInt(4);
            case 9 -> 30 + random.nextInt(60);
            case 10 -> 400 + random.nextInt(300);
            default -> CONTEXT - 1 - random.nextInt(100);
        };
        return random.ints(length, 3, 4096).toArray();
    }

    /** How close a call the plain choice was, as logits see it. */
    private static String margin(ModelEngine engine, int[] prompt, int[] plain, int at) {
        int[] seen = Arrays.copyOf(prompt, prompt.length + at);
        System.arraycopy(plain, 0, seen, prompt.length, at);
        float[] logits = engine.program().logits(seen);
        float chosen = logits[plain[at]];
        Arrays.sort(logits);
        return "margin of the best logits %g, chosen %g"
                .formatted(logits[logits.length - 1] - logits[logits.length - 2], logits[logits.length - 1] - chosen);
    }
}
