package dev.hydrallm.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Optional;

/** A program that opens a cached pack, says when it has written some of it, and waits for a byte then. */
final class HaltingPack {
    private HaltingPack() {}

    /** Takes the cache and the model. */
    public static void main(String... arguments) throws IOException {
        new PackCache(Path.of(arguments[0]))
                .open(Path.of(arguments[1]), Optional.empty(), Quantization.NONE, new Halt())
                .close();
    }

    private static final class Halt implements PackCache.Listener {
        private boolean halted;

        @Override
        public void accept(String what) {}

        @Override
        public Packer.Progress progress() {
            return (bytes, total) -> {
                if (!halted) {
                    halted = true;
                    System.out.println("begun");
                    try {
                        System.in.read();
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }
            };
        }
    }
}
