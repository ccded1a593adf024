package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The program as it is built where there is no C compiler: the same classes, loaded again, with no library beside them. */
class WithoutKernelsTest {
    /** Has all of this program's classes and resources but the library. */
    private static final class NoLibrary extends URLClassLoader {
        NoLibrary() {
            super(classPath(), ClassLoader.getPlatformClassLoader());
        }

        private static URL[] classPath() {
            return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                    .map(entry -> {
                        try {
                            return Path.of(entry).toUri().toURL();
                        } catch (IOException e) {
                            throw new IllegalStateException(entry, e);
                        }
                    })
                    .toArray(URL[]::new);
        }

        @Override
        public @Nullable URL findResource(String name) {
            return name.endsWith("libhydra.so") ? null : super.findResource(name);
        }
    }

    @Test
    void anEightBitModelRunsOnLibtorchAndAskingForTheKernelsIsRefused() throws Exception {
        try (NoLibrary loader = new NoLibrary()) {
            Class<?> model = loader.loadClass("dev.hydrallm.model.PackedModel");
            Class<?> options = loader.loadClass("dev.hydrallm.engine.EngineOptions");
            Method kind = loader.loadClass("dev.hydrallm.engine.Programs").getMethod("kind", model, options);
            Object defaults = Objects.requireNonNull(options.getField("DEFAULT").get(null));
            Object demo =
                    Objects.requireNonNull(model.getMethod("open", Path.class).invoke(null, Path.of("models", "demo")));
            try (AutoCloseable open = (AutoCloseable) demo) {
                assertThat(kind.invoke(null, open, defaults)).hasToString("TORCH");
                Class<?> kinds = loader.loadClass("dev.hydrallm.engine.EngineOptions$Kind");
                Object kernels =
                        Objects.requireNonNull(kinds.getField("KERNELS").get(null));
                Object asked = options.getMethod("on", kinds).invoke(defaults, kernels);
                assertThatThrownBy(() -> kind.invoke(null, open, asked))
                        .cause()
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("the kernels cannot run", "GCC 12 or newer when the program is built");
            }
        }
    }
}
