package dev.hydrallm.natives;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class Sha256Test {
    private static List<byte[]> digests(byte[]... messages) {
        try (Arena arena = Arena.ofConfined()) {
            List<MemorySegment> given = Stream.of(messages)
                    .map(message -> arena.allocate(message.length).copyFrom(MemorySegment.ofArray(message)))
                    .toList();
            return new Sha256(arena).digests(given);
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

    @Test
    void moreMessagesThanThereIsRoomForAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> digests(new byte[1], new byte[1], new byte[1]));
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
