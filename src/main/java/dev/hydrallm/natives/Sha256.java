package dev.hydrallm.natives;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * SHA-256 of messages in native memory. Where the processor has instructions for it, {@value #TOGETHER} messages take hardly
 * longer than one, for the instructions wait for each other most of the time; Java's own implementation does one after the other,
 * and without those instructions until it is compiled.
 */
public final class Sha256 {
    /** Messages that are worth giving at once. */
    public static final int TOGETHER = 2;

    private static final int BYTES = 32;

    private final Optional<Call> call;

    /** Looked for when first needed: Java's own digest needs no library. */
    private static final class Instructions {
        static final Optional<MethodHandle> FUNCTION = instructions();
    }

    /** What the instructions' function takes: addresses and lengths of the messages, room for their digests. */
    private record Call(MethodHandle function, MemorySegment addresses, MemorySegment lengths, MemorySegment digests) {}

    /** For one thread, as long as the arena lives. */
    public Sha256(Arena arena) {
        call = Instructions.FUNCTION.map(function -> new Call(
                function,
                arena.allocate(ValueLayout.ADDRESS, TOGETHER),
                arena.allocate(ValueLayout.JAVA_LONG, TOGETHER),
                arena.allocate(TOGETHER * BYTES)));
    }

    private static Optional<MethodHandle> instructions() {
        try {
            return NativeLibrary.find()
                    .filter(Sha256::hasInstructions)
                    .map(library -> library.procedure(
                            "hydra_sha256",
                            ValueLayout.ADDRESS,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.ADDRESS));
        } catch (IllegalStateException e) {
            // Who needs the library says what is wrong with it; a digest does not.
            return Optional.empty();
        }
    }

    private static boolean hasInstructions(NativeLibrary library) {
        try {
            return (int) library.function("hydra_has_sha256", ValueLayout.JAVA_INT)
                            .invokeExact()
                    != 0;
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    /**
     * The digests of at most {@value #TOGETHER} messages, in their order.
     *
     * @param messages outside the heap
     */
    public List<byte[]> digests(List<MemorySegment> messages) {
        if (messages.size() > TOGETHER) {
            throw new IllegalArgumentException(messages.size() + " messages at once");
        }
        return call.map(made -> byInstructions(made, messages))
                .orElseGet(() -> messages.stream().map(Sha256::byJava).toList());
    }

    private static List<byte[]> byInstructions(Call call, List<MemorySegment> messages) {
        for (int i = 0; i < messages.size(); i++) {
            call.addresses.setAtIndex(ValueLayout.ADDRESS, i, messages.get(i));
            call.lengths.setAtIndex(ValueLayout.JAVA_LONG, i, messages.get(i).byteSize());
        }
        try {
            call.function.invokeExact(call.addresses, call.lengths, (long) messages.size(), call.digests);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
        return IntStream.range(0, messages.size())
                .mapToObj(i -> call.digests.asSlice((long) i * BYTES, BYTES).toArray(ValueLayout.JAVA_BYTE))
                .toList();
    }

    private static byte[] byJava(MemorySegment message) {
        MessageDigest sha256 = ofJava();
        sha256.update(message.asByteBuffer());
        return sha256.digest();
    }

    /** Java's own, for messages on the heap or in parts. */
    public static MessageDigest ofJava() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }
}
