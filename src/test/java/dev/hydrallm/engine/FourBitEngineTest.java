package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.checkpoint.Packer;
import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.checkpoint.RandomModel;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.LoadOptions;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.SafetensorsFile;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.testing.WideCheckpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** 4-bit packs, and packs of several formats, on the engine: they are expanded to int8 rows. */
@ParameterizedClass
@EnumSource(
        value = Kind.class,
        names = {"KERNELS", "TORCH"})
class FourBitEngineTest {
    @Parameter
    private Kind kind = Kind.AUTO;

    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final EngineOptions OPTIONS = new EngineOptions(1, 0, 1, 64, 64);
    /** A row of 576 codes is 288 bytes, of which neither a page nor a chunk is a multiple. */
    private static final Architecture LARGE = new Architecture(32, 576, 1536, 8, 9, 3, 64, 1e-5, 10_000, 64, true);

    private static final int[] PROMPT = {1, 5, 9, 3, 14};

    /** Of packs that take long to write: each is written once. */
    @TempDir
    static Path packs;

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"int4-g32", "int4-g64", "int4-g64-asym", "nf4"})
    void aPackComputesAsTheInt8PackOfItsWeights(String format) {
        WeightFormat named = WeightFormat.named(format);
        Quantization all = Quantization.of(named).withEmbeddings(Optional.of(named));
        try (PackedModel pack = wide(all);
                PackedModel eightBit = TinyPack.eightBit(folder.resolve("int8"), pack)) {
            assertSame(pack, eightBit);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"int4-g64", "int4-g32-asym", "nf4"})
    void aPackWhoseCodesStandBeforeTheirScalesComputesTheSame(String format) throws IOException {
        try (PackedModel pack = wide(Quantization.of(WeightFormat.named(format)));
                PackedModel former = TinyPack.codesFirst(folder.resolve("former"), pack)) {
            assertThat(names(former)).isNotEqualTo(names(pack)).containsExactlyInAnyOrderElementsOf(names(pack));
            assertSame(former, pack);
        }
    }

    /** Of several chunks, whose ends lie within rows. */
    @ParameterizedTest
    @ValueSource(strings = {"int4-g64", "int4-g32-asym", "nf4"})
    void aPackThatIsReadMeanwhileComputesTheSame(String format) throws IOException {
        Path path = large(format);
        try (PackedModel pack = PackedModel.open(path);
                ModelEngine expected = Kinds.load(pack, OPTIONS, kind)) {
            for (int threads : new int[] {1, 3}) {
                LoadOptions options = new LoadOptions(threads, 1 << 16, LoadOptions.DirectIo.OFF);
                try (PackedModel ahead = PackedModel.openAhead(path, options);
                        ModelEngine engine = Kinds.load(ahead, OPTIONS, kind)) {
                    assertThat(engine.program().logits(PROMPT))
                            .containsExactly(expected.program().logits(PROMPT));
                }
            }
        }
    }

    @Test
    void aScaleThatIsNoNumberIsRefusedByNameWhileThePackIsRead() throws IOException {
        try (PackedModel pack = PackedModel.open(large("int4-g64"))) {
            String name = "layers." + (LARGE.layers() - 1) + ".down";
            Path broken = TinyPack.altered(folder.resolve("broken"), pack, name + ".scale", (short) 0x7e00);
            EngineOptions options = Kinds.on(kind, pack, OPTIONS);
            try (PackedModel ahead = PackedModel.openAhead(broken, LoadOptions.DEFAULT)) {
                assertThatThrownBy(() -> ModelEngine.load(ahead, options))
                        .isInstanceOf(ModelFormatException.class)
                        .hasMessage(broken + ": " + name + ": a weight is NaN: pack the model again");
            }
        }
    }

    private static Path large(String format) throws IOException {
        Path path = packs.resolve("large-" + format);
        if (Files.notExists(path)) {
            Quantization quantization = Quantization.of(WeightFormat.named(format));
            new RandomModel("large", LARGE, new DraftLayout(0, 0, 0, false), quantization, 1)
                    .write(path, (bytes, total) -> {});
        }
        assertThat(weightBytes(path)).isGreaterThan(3L * (4 << 20));
        return path;
    }

    private static List<String> names(PackedModel pack) throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(pack.directory().resolve(Manifest.WEIGHTS_FILE))) {
            return file.names().stream()
                    .filter(name -> !name.startsWith(PackLayout.PAD_PREFIX))
                    .toList();
        }
    }

    @Test
    void formatsMayDifferByGroup() {
        Quantization mixed = new Quantization(
                Optional.of(WeightFormat.NF4), Optional.empty(), Optional.of(Quantization.DEFAULT_INT4));
        try (PackedModel pack = wide(mixed);
                PackedModel eightBit = TinyPack.eightBit(folder.resolve("int8"), pack)) {
            assertSame(pack, eightBit);
        }
    }

    @Test
    void anEmbeddingOfNumbersIsLookedUpUnchanged() {
        Quantization mixed = Quantization.INT4.withEmbeddings(Optional.empty());
        try (PackedModel pack = wide(mixed);
                PackedModel eightBit = TinyPack.eightBit(folder.resolve("int8"), pack);
                ModelEngine engine = Kinds.load(pack, OPTIONS, kind);
                ModelEngine rounded = Kinds.load(eightBit, OPTIONS, kind)) {
            float[] logits = engine.program().logits(PROMPT);
            double[] exact = new ReferenceModel(pack).logits(PROMPT)[0];
            assertThat(error(logits, exact)).isLessThan(0.05);
            assertThat(logits).isNotEqualTo(rounded.program().logits(PROMPT));
            assertSpeculationChangesNothing(engine, PROMPT, 40);
        }
    }

    @Test
    void headsThatShareTheBasesLastMatrixRun() {
        Path heads = WideCheckpoint.writeSharingHeads(folder.resolve("checkpoint"), DType.F16);
        try (PackedModel pack = pack(heads, Quantization.INT4);
                ModelEngine engine = Kinds.load(pack, OPTIONS, kind)) {
            assertSpeculationChangesNothing(engine, PROMPT, 40);
        }
    }

    @Test
    void aBaseWithoutHeadsDecodesPlainly() {
        Path base = WideCheckpoint.writeBase(folder.resolve("base"), DType.F16);
        try (PackedModel pack = pack(base, Quantization.INT4);
                PackedModel eightBit = TinyPack.eightBit(folder.resolve("int8"), pack);
                ModelEngine engine = Kinds.load(pack, OPTIONS, kind);
                ModelEngine expected = Kinds.load(eightBit, OPTIONS, kind)) {
            assertThat(engine.program().logits(PROMPT))
                    .containsExactly(expected.program().logits(PROMPT));
            assertThat(Decoding.run(engine, PROMPT, DraftTree.ROOT_ONLY, GREEDY, Decoding.tokens(20))
                            .output())
                    .hasSize(20);
        }
    }

    @Test
    void aTiedEmbeddingIsExpandedForBothItsUses() {
        Architecture tied = new Architecture(19, 64, 128, 2, 2, 1, 32, 1e-5, 10_000, 64, true);
        try (PackedModel single = TinyPack.write(
                        folder.resolve("f32"), tied, new DraftLayout(2, 1, 1, false), WeightFormat.F32, 0.1);
                PackedModel pack = TinyPack.fourBit(folder.resolve("int4"), single);
                PackedModel eightBit = TinyPack.eightBit(folder.resolve("int8"), pack)) {
            assertSame(pack, eightBit);
        }
    }

    @Test
    void aScaleThatIsNoNumberIsRefusedByName() throws IOException {
        try (PackedModel pack = wide(Quantization.INT4)) {
            Path broken = TinyPack.altered(folder.resolve("broken"), pack, "layers.1.down.scale", (short) 0x7e00);
            try (PackedModel opened = PackedModel.open(broken)) {
                EngineOptions options = Kinds.on(kind, opened, OPTIONS);
                assertThatThrownBy(() -> ModelEngine.load(opened, options))
                        .isInstanceOf(ModelFormatException.class)
                        .hasMessage(broken + ": layers.1.down: a weight is NaN: pack the model again");
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"int4-g64, 0.6", "nf4, 0.6", "int4-g32-asym, 0.66"})
    void theDemoModelIsSmallerThanInt8AndDecodesTheSameWithSpeculation(String format, double most) throws IOException {
        try (PackedModel eightBit = demo("int8");
                PackedModel pack = demo(format);
                ModelEngine engine = Kinds.load(pack, EngineOptions.DEFAULT, kind)) {
            assertThat((double) weightBytes(pack) / weightBytes(eightBit)).isLessThan(most);
            for (int[] prompt : List.of(new int[] {1, 310, 412, 77}, new int[] {1, 2000, 15, 3000, 501})) {
                assertSpeculationChangesNothing(engine, prompt, 120);
            }
        }
    }

    private static PackedModel demo(String format) {
        Path folder = packs.resolve("demo-" + format);
        if (Files.notExists(folder)) {
            return SharedPacks.write(folder, 2, Quantization.of(WeightFormat.named(format)));
        }
        return PackedModel.open(folder.resolve("pack-2"));
    }

    private static long weightBytes(PackedModel pack) throws IOException {
        return weightBytes(pack.directory());
    }

    private static long weightBytes(Path pack) throws IOException {
        return Files.size(pack.resolve(Manifest.WEIGHTS_FILE));
    }

    private void assertSame(PackedModel pack, PackedModel eightBit) {
        try (ModelEngine engine = Kinds.load(pack, OPTIONS, kind);
                ModelEngine expected = Kinds.load(eightBit, OPTIONS, kind)) {
            assertThat(engine.program().logits(PROMPT))
                    .containsExactly(expected.program().logits(PROMPT));
            assertThat(engine.program().headLogits(new int[PROMPT.length]))
                    .containsExactly(expected.program().headLogits(new int[PROMPT.length]));
            assertSpeculationChangesNothing(engine, PROMPT, 40);
        }
    }

    private static void assertSpeculationChangesNothing(ModelEngine engine, int[] prompt, int tokens) {
        DraftTree tree =
                DraftTree.of(NamedTrees.byName("mc_sim_7b_63").orElseThrow()).first(12);
        int[] plain = Decoding.run(engine, prompt, DraftTree.ROOT_ONLY, GREEDY, Decoding.tokens(tokens))
                .output();
        assertThat(plain).hasSize(tokens);
        assertThat(Decoding.run(engine, prompt, tree, GREEDY, Decoding.tokens(tokens))
                        .output())
                .containsExactly(plain);
    }

    private static double error(float[] found, double[] exact) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < found.length; i++) {
            difference += Math.pow(found[i] - exact[i], 2);
            size += exact[i] * exact[i];
        }
        return Math.sqrt(difference / size);
    }

    private PackedModel wide(Quantization quantization) {
        return pack(WideCheckpoint.writeHeads(folder.resolve("checkpoint"), DType.F16), quantization);
    }

    private PackedModel pack(Path model, Quantization quantization) {
        try (Checkpoint checkpoint = Checkpoint.open(model, Optional.empty(), warning -> {})) {
            Packer.Options options = new Packer.Options(quantization, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, folder.resolve("pack"), (bytes, total) -> {});
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return PackedModel.open(folder.resolve("pack"));
    }
}
