package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.engine.cpu.CpuProgram;
import dev.hydrallm.engine.cpu.OnlyWithKernels;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.RopeScaling;
import dev.hydrallm.model.SlidingWindow;
import dev.hydrallm.model.WeightFormat;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AddLifecycleHook;
import net.jqwik.api.lifecycle.AfterProperty;

/** What the kernels compute, against plain loops in double precision over the same weights and activations of 8 bits. */
@AddLifecycleHook(OnlyWithKernels.class)
class KernelAccuracyTest extends PackFolder {
    private static final int TRIES = 80;
    /** What single precision leaves while all codes are the same. */
    private static final double ROUNDING = 1e-5;
    /** What one activation at the next code makes of it. */
    private static final double TOLERANCE = 0.05;

    private int nextCodes;

    @Provide
    Arbitrary<Shape> shapes() {
        return KernelShapes.shapes();
    }

    @Property(tries = TRIES)
    void logitsOfTheBaseAndOfEveryHeadAreThoseOfThePlainLoops(
            @ForAll("shapes") Shape shape,
            @ForAll @IntRange(min = 1, max = 40) int length,
            @ForAll @IntRange(min = 1, max = 4) int threads) {
        try (PackedModel pack = pack(shape);
                CpuProgram program = load(pack, threads)) {
            int vocabulary = shape.architecture().vocabSize();
            int[] text = text(length, vocabulary);
            double[][] expected = ReferenceModel.eightBit(pack).logits(text, text[0]);
            double largest = error(program.logits(text), expected[0]);
            float[] heads = program.headLogits(ReferenceModel.behind(text, text[0]));
            for (int head = 0; head < shape.draft().heads(); head++) {
                float[] found = Arrays.copyOfRange(heads, head * vocabulary, (head + 1) * vocabulary);
                largest = Math.max(largest, error(found, expected[1 + head]));
            }
            assertThat(largest).isLessThan(TOLERANCE);
            nextCodes += largest > ROUNDING ? 1 : 0;
        }
    }

    @AfterProperty
    void fewNumbersFallToTheNextCode() {
        assertThat(nextCodes).isLessThanOrEqualTo(TRIES / 10);
    }

    @Example
    void theToleranceIsOneThatWrongModelsFail() {
        Architecture right = Shape.with(
                Shape.with(
                        new Architecture(33, 24, 40, 2, 6, 2, 8, 0.02, 10_000, KernelShapes.CONTEXT, false),
                        new SlidingWindow(9, 0),
                        null),
                AttentionPart.values());
        try (PackedModel pack = pack(new Shape(right, new DraftLayout(2, 1, 1, false)));
                CpuProgram program = load(pack, 2)) {
            int[] text = text(30, right.vocabSize());
            float[] found = program.logits(text);
            assertThat(error(found, ReferenceModel.eightBit(pack).logits(text)[0]))
                    .isLessThan(ROUNDING);
            for (Architecture wrong : wrongs(right)) {
                double[] expected = ReferenceModel.eightBit(pack, wrong).logits(text)[0];
                assertThat(error(found, expected)).as("%s", wrong).isGreaterThan(TOLERANCE);
            }
        }
    }

    private static List<Architecture> wrongs(Architecture right) {
        return List.of(
                Shape.with(right, AttentionPart.QK_NORM, AttentionPart.O_BIAS),
                Shape.with(right, AttentionPart.QKV_BIAS, AttentionPart.O_BIAS),
                Shape.with(right, AttentionPart.QKV_BIAS, AttentionPart.QK_NORM),
                Shape.with(right),
                Shape.with(right, new SlidingWindow(8, 0), null),
                Shape.with(right, new SlidingWindow(10, 0), null),
                Shape.with(right, new SlidingWindow(9, 1), null),
                Shape.with(right, right.slidingWindow(), new RopeScaling.Linear(1.2)));
    }

    private static CpuProgram load(PackedModel pack, int threads) {
        return CpuProgram.load(pack, new EngineOptions(1, 0, threads, 64, 64), KernelShapes.CONTEXT);
    }

    private static int[] text(int length, int vocabulary) {
        return new Random(length).ints(length, 0, vocabulary).toArray();
    }

    private PackedModel pack(Shape shape) {
        return TinyPack.write(folder(), shape.architecture(), shape.draft(), WeightFormat.INT8, 0.3);
    }

    /** The difference's root mean square against the expected one's. */
    private static double error(float[] found, double[] expected) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < found.length; i++) {
            difference += Math.pow(found[i] - expected[i], 2);
            size += expected[i] * expected[i];
        }
        return Math.sqrt(difference / size);
    }
}
