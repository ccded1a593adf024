package dev.hydrallm.engine.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.LongAdder;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * A TorchScript module compiled from source text in the serialized dialect: one class without attributes whose methods
 * are called by name. Only text of our own resources ever gets here.
 *
 * <p>Methods may be called on several threads; the executor's flags are the calling thread's.
 */
final class Script implements AutoCloseable {
    private final PtSymbolBlock module;
    private final LongAdder busyNanos = new LongAdder();

    private Script(PtSymbolBlock module) {
        this.module = module;
    }

    /**
     * Compiles a module.
     *
     * @param source the text of a {@code class NAME(Module)}
     * @throws ai.djl.engine.EngineException with the compiler's message if the text is wrong
     */
    static Script compile(PtNDManager manager, String className, String source) {
        // The profiling executor would recompile for seconds at every new shape.
        JniUtils.setGraphExecutorOptimize(false);
        ByteArrayInputStream archive = new ByteArrayInputStream(archive(className, source));
        try {
            return new Script(JniUtils.loadModule(manager, archive, false, false));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Calls a method; closes neither the arguments nor the result. */
    IValue call(String method, IValue... arguments) {
        long start = System.nanoTime();
        try {
            return IValueUtils.runMethod(module, method, arguments);
        } finally {
            busyNanos.add(System.nanoTime() - start);
        }
    }

    /**
     * Calls the method {@code forward} where libtorch records what it would need to differentiate, if asked to; arguments whose names
     * end in {@code []} are given as lists.
     *
     * @return its result; the caller closes it
     */
    NDArray forward(NDList arguments, Gradients gradients) {
        boolean before = JniUtils.isGradMode();
        JniUtils.setGradMode(gradients == Gradients.RECORDED);
        long start = System.nanoTime();
        try {
            return IValueUtils.forward(module, arguments, true).singletonOrThrow();
        } finally {
            busyNanos.add(System.nanoTime() - start);
            JniUtils.setGradMode(before);
        }
    }

    /** Whether a call can differentiate. */
    enum Gradients {
        RECORDED,
        NONE
    }

    /** Time spent in {@link #call} so far, ns. */
    long busyNanos() {
        return busyNanos.sum();
    }

    @Override
    public void close() {
        module.close();
    }

    /** The smallest archive that libtorch loads: a pickled empty module beside the source of its class. */
    private static byte[] archive(String className, String source) {
        ByteArrayOutputStream pickle = new ByteArrayOutputStream();
        pickle.writeBytes(new byte[] {(byte) 0x80, 2, 'c'}); // protocol 2, GLOBAL
        pickle.writeBytes(ascii("__torch__\n" + className + "\n"));
        pickle.writeBytes(
                new byte[] {'q', 0, ')', (byte) 0x81, '}', '(', 'X', 8, 0, 0, 0}); // NEWOBJ, a dict of one str
        pickle.writeBytes(ascii("training"));
        pickle.writeBytes(new byte[] {(byte) 0x89, 'u', 'b', '.'}); // False, SETITEMS, BUILD, STOP
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            store(zip, "m/data.pkl", pickle.toByteArray());
            store(zip, "m/code/__torch__.py", source.getBytes(StandardCharsets.UTF_8));
            store(zip, "m/constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'});
            store(zip, "m/version", ascii("3\n"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** libtorch reads stored entries only, and those need their size and checksum in front. */
    private static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
        CRC32 checksum = new CRC32();
        checksum.update(content);
        ZipEntry entry = new ZipEntry(name);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(content.length);
        entry.setCrc(checksum.getValue());
        zip.putNextEntry(entry);
        zip.write(content);
        zip.closeEntry();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
