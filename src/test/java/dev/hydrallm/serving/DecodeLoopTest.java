package dev.hydrallm.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DeviceMemoryException;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Drafts;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.EngineLimits;
import dev.hydrallm.decoding.FakeEngine;
import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.decoding.Verdict;
import dev.hydrallm.prompt.TextAssembler;
import dev.hydrallm.prompt.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The loop's promises: every request ends, in whatever way, and none harms another. */
@Timeout(60)
class DecodeLoopTest {
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final DraftTree TREE = DraftTree.of(List.of(List.of(0), List.of(1), List.of(0, 0)));
    private static Tokenizer tokenizer;

    @BeforeAll
    static void open() {
        tokenizer = Tokenizer.load(Path.of("models/demo/tokenizer.json"), 1, List.of(2));
    }

    @AfterAll
    static void close() {
        tokenizer.close();
    }

    /** An engine whose steps wait until they are let through, and fail when told to. */
    private static final class GatedEngine implements Engine {
        final Engine engine = new FakeEngine(2, 512, 2, 64);
        final CountDownLatch gate = new CountDownLatch(1);
        final CountDownLatch reached = new CountDownLatch(1);
        volatile boolean failing;
        volatile boolean dying;
        volatile int unaffordable = -1;
        private final Set<Integer> unaffordableSlots = ConcurrentHashMap.newKeySet();
        volatile boolean closed;

        @Override
        public EngineLimits limits() {
            return engine.limits();
        }

        @Override
        public Prefilled prefill(PrefillRequest request) {
            if (request.tokens()[0] == 63) {
                throw new IllegalArgumentException("a bad prompt");
            }
            if (request.tokens()[0] == unaffordable) {
                unaffordableSlots.add(request.slot());
            } else {
                unaffordableSlots.remove(request.slot());
            }
            return engine.prefill(request);
        }

        @Override
        public List<Verdict> verify(List<TreeQuery> batch) {
            reached.countDown();
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            if (failing) {
                failing = false;
                throw new IllegalStateException("a broken step");
            }
            if (batch.stream().anyMatch(query -> unaffordableSlots.contains(query.slot()))) {
                throw new DeviceMemoryException("no memory", new IllegalStateException());
            }
            if (dying) {
                throw new LinkageError("a broken device");
            }
            return engine.verify(batch);
        }

        @Override
        public List<Drafts> commit(List<Acceptance> acceptances) {
            return engine.commit(acceptances);
        }

        @Override
        public long busyNanos() {
            return 0;
        }

        @Override
        public void close() {
            closed = true;
            engine.close();
        }
    }

    private static Generation submit(DecodeLoop loop, int maxTokens, int... prompt) {
        GenerationRequest request = new GenerationRequest(
                prompt,
                GREEDY,
                Speculation.whole(TREE),
                new StopRules(Set.of(), maxTokens, StopRules.UNLIMITED),
                List.of());
        Generation generation =
                new Generation(request, GenerationListener.NONE, new TextAssembler(tokenizer, List.of()), loop);
        loop.submit(generation);
        return generation;
    }

    private static FinishReason reason(Generation generation) {
        return generation.result().join().finishReason();
    }

    @Test
    void requestsThatShareTheLoopGetWhatTheyGetAlone() {
        List<int[]> together = new ArrayList<>();
        GatedEngine engine = new GatedEngine();
        engine.gate.countDown();
        try (DecodeLoop loop = new DecodeLoop(() -> engine, 8)) {
            List<Generation> all = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                all.add(submit(loop, 20 + i, 5, i, 7));
            }
            all.forEach(each -> together.add(each.result().join().outputIds()));
        }
        FakeEngine alone = new FakeEngine(1, 512, 2, 64);
        for (int i = 0; i < 6; i++) {
            assertThat(together.get(i)).containsExactly(alone.plain(new int[] {5, i, 7}, 20 + i, GREEDY));
        }
        assertThat(engine.closed).isTrue();
    }

    @Test
    void aFullQueueRefusesAtOnceAndForgetsNobody() throws InterruptedException {
        GatedEngine engine = new GatedEngine();
        try (DecodeLoop loop = new DecodeLoop(() -> engine, 2)) {
            List<Generation> running = new ArrayList<>(List.of(submit(loop, 4, 1)));
            engine.reached.await();
            running.add(submit(loop, 4, 2));
            running.add(submit(loop, 4, 3));
            assertThat(loop.waiting()).isEqualTo(2);
            assertThatThrownBy(() -> submit(loop, 4, 4)).isInstanceOf(QueueFullException.class);
            engine.gate.countDown();
            assertThat(running).allMatch(each -> each.result().join().outputIds().length == 4);
        }
    }

    @Test
    void aCancelledRequestLeavesTheQueueAtOnceOrTheSlotWithinAStep() throws InterruptedException {
        GatedEngine engine = new GatedEngine();
        try (DecodeLoop loop = new DecodeLoop(() -> engine, 2)) {
            Generation running = submit(loop, 400, 1);
            engine.reached.await();
            Generation waiting = submit(loop, 400, 2);
            waiting.cancel();
            assertThat(reason(waiting)).isEqualTo(FinishReason.CANCELLED);
            assertThat(loop.waiting()).isZero();
            running.cancel();
            engine.gate.countDown();
            assertThat(reason(running)).isEqualTo(FinishReason.CANCELLED);
            assertThat(running.result().join().outputIds()).hasSizeLessThanOrEqualTo(1 + TREE.depth());
            assertThat(reason(submit(loop, 3, 3))).isEqualTo(FinishReason.LENGTH);
        }
    }

    @Test
    void aPromptThatCannotBeReadFailsAlone() {
        GatedEngine engine = new GatedEngine();
        engine.gate.countDown();
        try (DecodeLoop loop = new DecodeLoop(() -> engine, 8)) {
            Generation bad = submit(loop, 4, 63);
            Generation good = submit(loop, 4, 1);
            assertThatThrownBy(() -> bad.result().join()).hasRootCauseMessage("a bad prompt");
            assertThat(reason(good)).isEqualTo(FinishReason.LENGTH);
        }
    }

    @Test
    void aBrokenStepFailsItsRequestsAndTheNextOnesAreServed() {
        GatedEngine engine = new GatedEngine();
        engine.failing = true;
        engine.gate.countDown();
        try (DecodeLoop loop = new DecodeLoop(() -> engine, 8)) {
            Generation broken = submit(loop, 4, 1);
            assertThatThrownBy(() -> broken.result().join()).hasRootCauseMessage("a broken step");
            int[] next = submit(loop, 9, 1).result().join().outputIds();
            assertThat(next).containsExactly(new FakeEngine(1, 512, 2, 64).plain(new int[] {1}, 9, GREEDY));
            assertThat(loop.alive()).isTrue();
        }
    }

    @Test
    void whoFindsNoMemoryFailsAlone() throws InterruptedException {
        GatedEngine engine = new GatedEngine();
        engine.unaffordable = 62;
        try (DecodeLoop loop = new DecodeLoop(() -> engine, 8)) {
            Generation modest = submit(loop, 20, 1);
            Generation greedy = submit(loop, 20, 62);
            engine.gate.countDown();
            assertThatThrownBy(() -> greedy.result().join()).hasCauseInstanceOf(DeviceMemoryException.class);
            assertThat(reason(modest)).isEqualTo(FinishReason.LENGTH);
            assertThat(reason(submit(loop, 4, 2))).isEqualTo(FinishReason.LENGTH);
        }
    }

    @Test
    void aBrokenDeviceFailsEverybodyAndIsNotAliveAnyMore() throws InterruptedException {
        GatedEngine engine = new GatedEngine();
        engine.dying = true;
        DecodeLoop loop = new DecodeLoop(() -> engine, 8);
        Generation running = submit(loop, 4, 1);
        engine.reached.await();
        Generation waiting = submit(loop, 4, 2);
        engine.gate.countDown();
        assertThatThrownBy(() -> running.result().join()).isInstanceOf(CompletionException.class);
        assertThatThrownBy(() -> waiting.result().join()).isInstanceOf(CompletionException.class);
        loop.close();
        assertThat(engine.closed).isTrue();
        assertThat(loop.alive()).isFalse();
        assertThatThrownBy(() -> submit(loop, 4, 3)).isInstanceOf(ModelUnavailableException.class);
    }

    @Test
    void anEngineThatCannotBeLoadedIsReported() {
        try (DecodeLoop loop = new DecodeLoop(
                () -> {
                    throw new IllegalArgumentException("no such device");
                },
                8)) {
            assertThatThrownBy(() -> loop.limits().join()).hasRootCauseMessage("no such device");
        }
    }

    @Test
    void closingFinishesWhatRunsAndWaits() throws InterruptedException {
        GatedEngine engine = new GatedEngine();
        DecodeLoop loop = new DecodeLoop(() -> engine, 8);
        List<Generation> all = List.of(submit(loop, 30, 1), submit(loop, 30, 2), submit(loop, 30, 3));
        engine.reached.await();
        Thread closing = Thread.ofVirtual().start(loop::close);
        engine.gate.countDown();
        closing.join();
        assertThat(all).allMatch(each -> each.result().join().outputIds().length == 30);
        assertThat(engine.closed).isTrue();
    }
}
