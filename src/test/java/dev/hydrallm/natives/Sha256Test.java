package dev.hydrallm.natives;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class Sha256Test {
    private static List<byte[]> digests(byte[]... messages) {
        try (Arena arena = Arena.ofConfined()) {
            List<MemorySegment> given = Stream.of(messages)
                    .map(message -> arena.allocate(message.length).copyFrom(MemorySegment.ofArray(message)))
                    .toList();
            return digests(new Sha256(arena), given);
        }
    }

    /** The example of FIPS 180-4's annex, and the empty message. */
    @Test
    void knownMessagesHaveTheirKnownDigests() {
        assertThat(digests("abc".getBytes(StandardCharsets.US_ASCII), new byte[0]))
                .extracting(HexFormat.of()::formatHex)
                .containsExactly(
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    @Test
    void everyLengthAroundBlocksHasTheDigestThatJavaComputes() {
        for (int length = 0; length <= 300; length++) {
            byte[] first = bytes(length, 3);
            byte[] second = bytes(300 - length, 5);
            assertThat(digests(first, second)).containsExactly(java(first), java(second));
        }
    }

    @Property
    void messagesSideBySideDoNotTouchEachOther(@ForAll @Size(max = 3000) byte[] first, @ForAll byte[] second) {
        assertThat(digests(first, second)).containsExactly(java(first), java(second));
        assertThat(digests(second)).containsExactly(java(second));
    }

    @Property
    void partsJoinToTheirMessage(
            @ForAll @Size(max = 2000) byte[] first, @ForAll byte[] second, @ForAll @IntRange(max = 40) int blocks) {
        try (Arena arena = Arena.ofConfined()) {
            Sha256 sha256 = new Sha256(arena);
            for (int round = 0; round < 2; round++) {
                List<MemorySegment> rest = Stream.of(first, second)
                        .map(message -> arena.allocate(message.length).copyFrom(MemorySegment.ofArray(message)))
                        .toList();
                while (rest.stream().anyMatch(left -> left.byteSize() >= Sha256.BLOCK)) {
                    List<Long> taken = rest.stream()
                            .map(left -> Math.min(left.byteSize() / Sha256.BLOCK, blocks + 1) * Sha256.BLOCK)
                            .toList();
                    List<MemorySegment> now = rest;
                    sha256.add(IntStream.range(0, 2)
                            .mapToObj(i -> now.get(i).asSlice(0, taken.get(i)))
                            .toList());
                    rest = IntStream.range(0, 2)
                            .mapToObj(i -> now.get(i).asSlice(taken.get(i)))
                            .toList();
                }
                assertThat(sha256.digests(rest)).containsExactly(java(first), java(second));
                sha256.add(List.of(arena.allocate(Sha256.BLOCK)));
                sha256.reset();
            }
        }
    }

    private static List<byte[]> digests(Sha256 sha256, List<MemorySegment> messages) {
        List<Long> whole = messages.stream()
                .map(message -> message.byteSize() / Sha256.BLOCK * Sha256.BLOCK)
                .toList();
        sha256.add(IntStream.range(0, whole.size())
                .mapToObj(i -> messages.get(i).asSlice(0, whole.get(i)))
                .toList());
        return sha256.digests(IntStream.range(0, whole.size())
                .mapToObj(i -> messages.get(i).asSlice(whole.get(i)))
                .toList());
    }

    private static byte[] bytes(int length, int step) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) (i * step);
        }
        return bytes;
    }

    private static byte[] java(byte[] message) {
        return Sha256.ofJava().digest(message);
    }
}
