package dev.hydrallm.hub;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * An exclusive {@code flock(2)}, held against threads and processes alike. Java's own file locks are {@code fcntl(2)}
 * locks, which huggingface_hub's programs would not see.
 */
final class ProcessLock {
    private static final Duration POLL = Duration.ofMillis(50);

    private ProcessLock() {}

    /** What is done alone. */
    @FunctionalInterface
    interface Action {
        void run() throws IOException;
    }

    /**
     * Does something while holding the lock of a file, which is made if need be and stays.
     *
     * @param waiting run once when somebody else holds it
     */
    static void with(Path file, Runnable waiting, Action action) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        int descriptor = Posix.open(file);
        try {
            for (boolean told = false; !Posix.lock(descriptor, file); told = true) {
                if (!told) {
                    waiting.run();
                }
                Thread.sleep(POLL);
            }
            action.run();
        } catch (InterruptedException e) {
            throw Backoff.interrupted(e);
        } finally {
            Posix.close(descriptor);
        }
    }

    /** The C library's calls, with the numbers of Linux. */
    @SuppressWarnings("restricted") // the launcher and the tests allow native access, as DJL needs it too
    private static final class Posix {
        private static final int O_RDWR_CREAT_CLOEXEC = 0x2 | 0x40 | 0x80000;
        private static final int LOCK_EX_NB = 0x2 | 0x4;
        private static final int EAGAIN = 11;
        private static final int MODE = 0644;

        private static final Linker LINKER = Linker.nativeLinker();
        private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");
        private static final VarHandle ERRNO_VALUE =
                Linker.Option.captureStateLayout().varHandle(MemoryLayout.PathElement.groupElement("errno"));
        private static final MethodHandle OPEN = find(
                "open",
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT),
                ERRNO,
                Linker.Option.firstVariadicArg(2));
        private static final MethodHandle FLOCK = find(
                "flock",
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT),
                ERRNO);
        private static final MethodHandle CLOSE =
                find("close", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

        private Posix() {}

        private static MethodHandle find(String name, FunctionDescriptor descriptor, Linker.Option... options) {
            return LINKER.downcallHandle(LINKER.defaultLookup().find(name).orElseThrow(), descriptor, options);
        }

        static int open(Path file) throws IOException {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment state = arena.allocate(Linker.Option.captureStateLayout());
                int descriptor =
                        (int) OPEN.invokeExact(state, arena.allocateFrom(file.toString()), O_RDWR_CREAT_CLOEXEC, MODE);
                if (descriptor < 0) {
                    throw new IOException(file + ": the lock cannot be opened (errno " + errno(state) + ")");
                }
                return descriptor;
            } catch (IOException | RuntimeException | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }

        /** Whether the lock is ours now. */
        static boolean lock(int descriptor, Path file) throws IOException {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment state = arena.allocate(Linker.Option.captureStateLayout());
                int result = (int) FLOCK.invokeExact(state, descriptor, LOCK_EX_NB);
                if (result != 0 && errno(state) != EAGAIN) {
                    throw new IOException(file + ": cannot be locked (errno " + errno(state) + ")");
                }
                return result == 0;
            } catch (IOException | RuntimeException | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }

        static void close(int descriptor) {
            try {
                int ignored = (int) CLOSE.invokeExact(descriptor);
            } catch (RuntimeException | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }

        private static int errno(MemorySegment state) {
            return (int) ERRNO_VALUE.get(state, 0L);
        }
    }
}
