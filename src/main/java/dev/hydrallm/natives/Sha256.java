package dev.hydrallm.natives;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * SHA-256 of messages that come in parts. Where the processor has instructions for it, {@value #TOGETHER} messages take hardly
 * longer than one, for the instructions wait for each other most of the time; Java's own implementation does one after the other,
 * and without those instructions until it is compiled. For one thread.
 */
public final class Sha256 {
    /** Messages that are worth digesting at once. */
    public static final int TOGETHER = 2;

    /** Bytes of a block: all parts but the last are multiples of it. */
    public static final int BLOCK = 64;

    private static final int DIGEST = 32;
    private static final long MESSAGE = DIGEST + Long.BYTES;

    private final Optional<Call> call;
    /** Where there are no instructions. */
    private final List<MessageDigest> java;

    /** What is looked for when first needed: Java's own digest needs no library. */
    private record Functions(MethodHandle add, MethodHandle end) {
        static final Optional<Functions> OF_PROCESSOR = find();
    }

    /** The functions with what they take: states of the messages, addresses and lengths of their parts. */
    private record Call(Functions functions, MemorySegment messages, MemorySegment parts, MemorySegment blocks) {}

    /** Digests at most {@value #TOGETHER} messages at once, as long as the arena lives. */
    public Sha256(Arena arena) {
        call = Functions.OF_PROCESSOR.map(functions -> new Call(
                functions,
                arena.allocate(TOGETHER * MESSAGE, Long.BYTES),
                arena.allocate(ADDRESS, TOGETHER),
                arena.allocate(JAVA_LONG, TOGETHER)));
        java = call.isPresent()
                ? List.of()
                : Stream.generate(Sha256::ofJava).limit(TOGETHER).toList();
    }

    private static Optional<Functions> find() {
        try {
            return NativeLibrary.find()
                    .filter(Sha256::hasInstructions)
                    .map(library -> new Functions(
                            library.procedure("hydra_sha256_add", ADDRESS, ADDRESS, ADDRESS, JAVA_LONG),
                            library.procedure("hydra_sha256_end", ADDRESS, ADDRESS, JAVA_LONG)));
        } catch (IllegalStateException e) {
            // Who needs the library says what is wrong with it; a digest does not.
            return Optional.empty();
        }
    }

    private static boolean hasInstructions(NativeLibrary library) {
        try {
            return (int) library.function("hydra_has_sha256", JAVA_INT).invokeExact() != 0;
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    /**
     * Adds a part to each message.
     *
     * @param parts outside the heap, of whole blocks, which may be none
     */
    public void add(List<MemorySegment> parts) {
        call.ifPresentOrElse(made -> addByInstructions(made, parts), () -> {
            for (int i = 0; i < parts.size(); i++) {
                java.get(i).update(parts.get(i).asByteBuffer());
            }
        });
    }

    private static void addByInstructions(Call call, List<MemorySegment> parts) {
        for (int i = 0; i < parts.size(); i++) {
            call.parts.setAtIndex(ADDRESS, i, parts.get(i));
            call.blocks.setAtIndex(JAVA_LONG, i, parts.get(i).byteSize() / BLOCK);
        }
        try {
            call.functions.add.invokeExact(call.messages, call.parts, call.blocks, (long) parts.size());
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    /**
     * Ends the messages; new ones may begin.
     *
     * @param last what is left of each, less than a block
     */
    public List<byte[]> digests(List<MemorySegment> last) {
        return IntStream.range(0, last.size())
                .mapToObj(i -> call.map(made -> endByInstructions(made, i, last.get(i)))
                        .orElseGet(() -> {
                            java.get(i).update(last.get(i).asByteBuffer());
                            return java.get(i).digest();
                        }))
                .toList();
    }

    private static byte[] endByInstructions(Call call, int index, MemorySegment last) {
        MemorySegment message = call.messages.asSlice(index * MESSAGE, MESSAGE);
        try {
            call.functions.end.invokeExact(message, last, last.byteSize());
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
        byte[] digest = message.asSlice(0, DIGEST).toArray(JAVA_BYTE);
        message.fill((byte) 0);
        return digest;
    }

    /** Forgets what was added. */
    public void reset() {
        call.ifPresent(made -> made.messages.fill((byte) 0));
        java.forEach(MessageDigest::reset);
    }

    /** Java's own, for messages on the heap. */
    public static MessageDigest ofJava() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }
}
