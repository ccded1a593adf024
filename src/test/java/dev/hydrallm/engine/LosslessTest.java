package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Greedy decoding gives the same ids with trees of 2 to 64 nodes, and with as much of one as pays, as without any, on the
 * demo model in both precisions. {@code -Dhydra.lossless.tokens=N} compares that many tokens in each precision.
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

    @Test
    void eightBitSpeculationGivesThePlainIds() {
        try (PackedModel demo = PackedModel.open(Path.of("models", "demo"))) {
            assertLossless(demo, demo);
        }
    }

    @Test
    void singlePrecisionSpeculationGivesThePlainIds() {
        try (PackedModel demo = PackedModel.open(Path.of("models", "demo"));
                PackedModel expanded = TinyPack.expanded(folder, demo)) {
            assertLossless(expanded, demo);
        }
    }

    private static void assertLossless(PackedModel pack, PackedModel demo) {
        try (Tokenizer tokenizer = tokenizer(demo);
                ModelEngine engine = ModelEngine.load(pack, OPTIONS)) {
            int compared = 0;
            int steps = 0;
            List<String> differences = new ArrayList<>();
            for (int i = 0; compared < TOKENS; i++) {
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
                    compared += plain.length;
                }
            }
            assertThat(differences).as("%d tokens compared", compared).isEmpty();
            assertThat(steps).as("drafts were accepted").isLessThan(compared * 3 / 4);
        }
    }

    /** Parts of trees as they pay, and whole trees; the large ones, which take long, for every third prompt. */
    private static List<Speculation> ways(int prompt) {
        List<Integer> sizes = prompt % 3 == 0 ? ALL_TREES : SMALL_TREES;
        return Stream.concat(
                        Stream.of(Speculation.adaptive(TREE.first(16))),
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
