package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.ModelEngine;
import dev.hydrallm.model.PackedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** That benchmarks measure what they say; never how fast it is. */
class BenchmarksTest {
    private static final DraftTree TREE =
            DraftTree.of(List.of(List.of(0), List.of(0, 0), List.of(1), List.of(0, 0, 0)));
    private static final List<int[]> PROMPTS = List.of(new int[] {1, 328, 289, 631}, new int[] {1, 567, 3968});

    private static PackedModel demo;
    private static Engine engine;

    @BeforeAll
    static void load() {
        demo = PackedModel.open(Path.of("models", "demo"));
        engine = load(1);
    }

    private static Engine load(int threads) {
        return ModelEngine.load(demo, EngineOptions.DEFAULT.withThreads(threads));
    }

    @AfterAll
    static void close() {
        engine.close();
        demo.close();
    }

    @Test
    void aSummaryHasMeanDeviationMedianAndLeast() {
        Summary summary = Summary.of(4, 1, 2, 9, 4);
        assertThat(summary.mean()).isEqualTo(4);
        assertThat(summary.deviation()).isCloseTo(Math.sqrt(38 / 4.0), within(1e-12));
        assertThat(summary.median()).isEqualTo(4);
        assertThat(summary.least()).isEqualTo(1);
        assertThat(Summary.of(3).deviation()).isZero();
        assertThat(Summary.of(9, 1, 2, 4).median()).isEqualTo(3);
    }

    @Test
    void stepsAreMeasuredForEachCountThatTheTreeHas() {
        List<StepBenchmark.Line> lines = new StepBenchmark(engine, 20, 4).run(TREE, 1, 2, 4, 8);
        assertThat(lines).extracting(StepBenchmark.Line::nodes).containsExactly(1, 2, 4);
        assertThat(lines).allSatisfy(line -> {
            assertThat(line.verify().least()).isPositive();
            assertThat(line.step().mean())
                    .isCloseTo(line.verify().mean() + line.draft().mean(), within(1e-6));
            assertThat(line.overhead()).isBetween(0.0, 1.0);
        });
    }

    @Test
    void speedsAreComparedWithPlainDecodingAndSoAreTheIds() {
        List<SpeedBenchmark.Line> lines = new SpeedBenchmark(engine, PROMPTS, new AcceptanceRule.Greedy(), 24, 2)
                .run(List.of(Speculation.whole(TREE), Speculation.adaptive(TREE)));
        assertThat(lines).extracting(SpeedBenchmark.Line::nodes).containsExactly(1, TREE.nodes(), TREE.nodes());
        assertThat(lines.getFirst().ratio()).isEqualTo(new Summary(1, 0, 1, 1));
        assertThat(lines.getFirst().tokensPerStep()).isEqualTo(1);
        assertThat(lines.get(1).tokensPerStep()).isGreaterThan(1);
        assertThat(lines).allMatch(SpeedBenchmark.Line::sameIds).allSatisfy(line -> {
            assertThat(line.speeds()).hasSize(2);
            assertThat(Summary.of(line.speeds().stream()
                            .mapToDouble(Double::doubleValue)
                            .toArray()))
                    .isEqualTo(line.tokensPerSecond());
        });
    }

    @Test
    void aSoakRunsTheStepsItIsAskedFor() {
        List<SoakBenchmark.Line> lines = SoakBenchmark.run(engine, Speculation.adaptive(TREE), PROMPTS, 40);
        assertThat(lines).extracting(SoakBenchmark.Line::steps).startsWith(0, 4).endsWith(40);
        assertThat(lines).allMatch(line -> line.residentMebibytes() > 1);
    }

    @Test
    void everyNumberOfThreadsIsMeasuredAloneAndBesideANeighbour() {
        List<Integer> done = new ArrayList<>();
        List<ContentionBenchmark.Line> lines = new ContentionBenchmark(
                        BenchmarksTest::load, PROMPTS, Speculation.whole(TREE), 8, 1)
                .run(4, List.of(1, 2), done::add);
        assertThat(lines).extracting(ContentionBenchmark.Line::threads).containsExactly(1, 1, 2, 2);
        assertThat(lines).extracting(ContentionBenchmark.Line::neighbours).containsExactly(0, 1, 0, 1);
        assertThat(done).containsExactly(1, 2, 3, 4);
    }

    @Test
    void aComparisonGivesTheSecondsTimeInTheFirsts() {
        List<ComparisonBenchmark.Line> lines = ComparisonBenchmark.run(engine, engine, TREE, 32, 1, 4, 64);
        assertThat(lines).extracting(ComparisonBenchmark.Line::nodes).containsExactly(1, 4);
        assertThat(lines)
                .allSatisfy(line -> assertThat(line.ratio().mean())
                        .isBetween(
                                line.second().least() / (line.first().mean() * 100),
                                line.second().mean() * 100 / line.first().least()));
    }

    @Test
    void aNeighbourEndsWhenItIsClosed() throws InterruptedException {
        Optional<ProcessHandle> child;
        try (BusyNeighbour neighbour = BusyNeighbour.start()) {
            child = ProcessHandle.current().children().findFirst();
            assertThat(neighbour.running()).isTrue();
        }
        assertThat(child).isPresent();
        assertThat(child.orElseThrow().onExit().orTimeout(10, TimeUnit.SECONDS).join())
                .matches(process -> !process.isAlive());
    }
}
