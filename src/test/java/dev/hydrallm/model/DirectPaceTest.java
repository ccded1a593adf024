package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DirectPaceTest {
    private static final long MIB = 1 << 20;
    private static final long SECOND = 1_000_000_000;

    @Test
    void aSlowDiskIsKnownAfterAWhile() {
        DirectPace pace = new DirectPace(4);
        for (int read = 0; read < 127; read++) {
            pace.add(MIB, SECOND);
            assertThat(pace.pays()).isTrue();
        }
        pace.add(MIB, SECOND);
        assertThat(pace.pays()).isFalse();
    }

    @Test
    void threadsThatWaitAtOnceShareADisk() {
        // 200 MiB in reads of a quarter of a second each: 0.4 GB/s of two threads, 0.8 of four.
        DirectPace two = new DirectPace(2);
        DirectPace four = new DirectPace(4);
        for (int read = 0; read < 4; read++) {
            two.add(50 * MIB, SECOND / 4);
            four.add(50 * MIB, SECOND / 4);
        }
        assertThat(two.pays()).isFalse();
        assertThat(four.pays()).isTrue();
    }
}
