package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class KvSlotsTest {
    private static final DraftTree DRAFTING = DraftTree.of(List.of(List.of(0)));
    private static final DraftTree PLAIN = DraftTree.ROOT_ONLY;

    @Test
    void theLongestSharedPrefixWins() {
        KvSlots slots = new KvSlots(2);
        KvSlots.Lease a = slots.acquire(new int[] {1, 2, 3}, DRAFTING);
        KvSlots.Lease b = slots.acquire(new int[] {1, 2, 9}, DRAFTING);
        slots.release(a, new int[] {1, 2, 3, 4, 5}, 5);
        slots.release(b, new int[] {1, 2, 9, 4}, 4);
        KvSlots.Lease next = slots.acquire(new int[] {1, 2, 3, 4, 7}, DRAFTING);
        assertThat(next).isEqualTo(new KvSlots.Lease(a.slot(), 4));
    }

    @Test
    void theLastPromptTokenIsAlwaysRun() {
        KvSlots slots = new KvSlots(1);
        slots.release(slots.acquire(new int[] {1, 2}, DRAFTING), new int[] {1, 2, 3}, 3);
        assertThat(slots.acquire(new int[] {1, 2, 3}, DRAFTING).reused()).isEqualTo(2);
    }

    @Test
    void rowsWithoutDraftLayersServeOnlyPlainDecoding() {
        KvSlots slots = new KvSlots(1);
        slots.release(slots.acquire(new int[] {1, 2, 3}, PLAIN), new int[] {1, 2, 3, 4}, 0);
        assertThat(slots.acquire(new int[] {1, 2, 3, 4, 5}, DRAFTING).reused()).isZero();
        slots.release(new KvSlots.Lease(0, 0), new int[] {1, 2, 3, 4}, 4);
        KvSlots.Lease plain = slots.acquire(new int[] {1, 2, 3, 4, 5}, PLAIN);
        assertThat(plain.reused()).isEqualTo(4);
        slots.release(plain, new int[] {1, 2, 3, 4, 5, 6}, 0);
        assertThat(slots.acquire(new int[] {1, 2, 3, 4, 5, 6, 7}, DRAFTING).reused())
                .isEqualTo(4);
    }

    @Test
    void aSlotIsGivenOnceAndTakenBackOnce() {
        KvSlots slots = new KvSlots(1);
        KvSlots.Lease lease = slots.acquire(new int[] {1}, PLAIN);
        assertThat(slots.available()).isZero();
        assertThatThrownBy(() -> slots.acquire(new int[] {1}, PLAIN)).isInstanceOf(IllegalStateException.class);
        slots.release(lease, new int[0], 0);
        assertThatThrownBy(() -> slots.release(lease, new int[0], 0)).isInstanceOf(IllegalStateException.class);
    }
}
