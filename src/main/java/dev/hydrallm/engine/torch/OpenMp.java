package dev.hydrallm.engine.torch;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** The settings of libtorch's thread pool, which reads them from the environment once, when it is loaded. */
final class OpenMp {
    private OpenMp() {}

    /**
     * Lets threads that wait for their partners sleep at once, unless the environment says otherwise. By default they
     * spin, and where another process has the partner's processor, a step of 3 ms then takes 700.
     */
    static void waitAsleep() {
        if (System.getenv("OMP_WAIT_POLICY") == null && System.getenv("GOMP_SPINCOUNT") == null) {
            set("OMP_WAIT_POLICY", "passive");
        }
    }

    /** Sets a variable of the C library's environment; Java's own copy does not change. */
    @SuppressWarnings("restricted") // the launcher and the tests allow native access, as DJL needs it too
    private static void set(String name, String value) {
        Linker linker = Linker.nativeLinker();
        MethodHandle setenv = linker.downcallHandle(
                linker.defaultLookup().find("setenv").orElseThrow(),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            int failed = (int) setenv.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), 1);
            if (failed != 0) {
                throw new IllegalStateException("setenv refused " + name);
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
