package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.engine.Rotary;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A base that reads whole texts by the program that also decodes, so that draft layers learn from what they will read. It has no
 * gradients and never changes.
 */
final class FrozenBase implements AutoCloseable {
    /** Tokens of one forward: enough to keep a GPU busy, and few enough for a processor's caches. */
    static final int GPU_ROWS = 8_192;

    private static final int PROCESSOR_ROWS = 1_024;

    private final TorchSetting setting;
    private final PtNDManager manager;
    private final Script script;
    private final Values values = new Values();
    private final TorchWeights weights;
    private final IValue rotary;
    private final IValue cache;
    private final Finals finals;
    private final int hidden;
    private final int mostRows;

    /** Whether a base gives its last states. */
    enum Finals {
        WANTED,
        UNWANTED
    }

    /** The base's states of some texts behind each other, (rows, hidden) single-precision numbers each. */
    record Read(PtNDArray states, Optional<PtNDArray> finals) implements AutoCloseable {
        /** All of them. */
        List<PtNDArray> tensors() {
            List<PtNDArray> tensors = new ArrayList<>(List.of(states));
            finals.ifPresent(tensors::add);
            return tensors;
        }

        @Override
        public void close() {
            tensors().forEach(PtNDArray::close);
        }
    }

    /**
     * Loads the base of a packed model, which must stay open as long as this.
     *
     * @param draft the draft layers that will read the states; the model's own ones are not loaded
     * @param finals whether its own normed states are wanted beside those, which takes its last layers, too
     * @param context tokens of the longest text
     */
    FrozenBase(PackedModel model, DraftLayout draft, Finals finals, TorchSetting setting, int context) {
        this.setting = setting;
        this.finals = finals;
        Architecture shape = model.architecture();
        Arithmetic arithmetic = setting.arithmetic();
        hidden = shape.hiddenSize();
        mostRows = Math.max(context, setting.device().isGpu() ? GPU_ROWS : PROCESSOR_ROWS);
        manager = setting.manager();
        int layersAfterTap = finals == Finals.WANTED ? draft.forkedLayers() : 0;
        String text = ProgramText.reading(
                shape, draft, layersAfterTap, arithmetic, setting.norm(), setting.range(), setting.scriptDevice());
        script = Script.compile(manager, ProgramText.CLASS_NAME, text);
        try (Matrices matrices = setting.matrices(model, manager, script, values)) {
            weights = new TorchWeights(model, DraftLayout.NONE, manager, matrices, setting, values);
            model.awaitVerified();
            // Weights come this way once.
            setting.link().ifPresent(DeviceLink::close);
            PtNDArray angles = values.keep(manager.create(
                    Rotary.table(shape, context, context),
                    new Shape(context, shape.headDim() / 2, 2),
                    DataType.FLOAT32));
            rotary = values.keep(script.call("complexPairs", values.of(angles)));
            Shape keysAndValues = new Shape(2L * shape.layers(), 1, shape.kvHeads(), mostRows, shape.headDim());
            cache = values.of(values.keep(manager.create(keysAndValues, arithmetic.cacheType())));
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /**
     * Reads texts.
     *
     * @param rows their tokens in all
     * @return a row for each token of each text; the caller closes it
     */
    Read read(List<int[]> texts, int rows) {
        Read target = room(rows);
        try {
            read(texts, target);
            return target;
        } catch (RuntimeException e) {
            target.close();
            throw e;
        }
    }

    private void read(List<int[]> texts, Read target) {
        List<int[]> together = new ArrayList<>();
        int row = 0;
        int rows = 0;
        for (int[] text : texts) {
            if (rows + text.length > mostRows) {
                read(together, target, row, rows);
                together.clear();
                row += rows;
                rows = 0;
            }
            together.add(text);
            rows += text.length;
        }
        read(together, target, row, rows);
    }

    private void read(List<int[]> texts, Read target, int from, int rows) {
        int padded = setting.arithmetic().rows(rows);
        long[] numbers = new long[2 * padded];
        int row = 0;
        for (int[] text : texts) {
            for (int position = 0; position < text.length; position++, row++) {
                numbers[row] = text[position];
                numbers[padded + row] = position;
            }
        }
        try (Values scope = new Values()) {
            scope.keep(script.call(
                    "read",
                    weights.embedding,
                    weights.layers,
                    weights.norms,
                    rotary,
                    scope.of(scope.keep(manager.create(numbers))),
                    scope.tensors(target.tensors()),
                    scope.of(from),
                    cache,
                    scope.list(texts.stream().mapToInt(text -> text.length).toArray())));
        }
    }

    /** Halves where the base computes in halves, which then are the states; else singles. */
    private DataType storedType() {
        return setting.arithmetic() == Arithmetic.GPU_HALF ? DataType.FLOAT16 : DataType.FLOAT32;
    }

    private int numbersPerToken() {
        return (finals == Finals.WANTED ? 2 : 1) * hidden;
    }

    /** Of {@link #stored} states. */
    int bytesPerToken() {
        return numbersPerToken() * storedType().getNumOfBytes();
    }

    /** States as bytes, token by token. */
    byte[] stored(Read read) {
        try (Values scope = new Values()) {
            IValue type = scope.of(ProgramText.scriptNumber(storedType()));
            IValue joined = scope.keep(script.call("joined", scope.tensors(read.tensors()), type));
            return scope.keep(joined.toTensor(manager)).toByteArray();
        }
    }

    /**
     * The states that {@link #stored} gave.
     *
     * @throws IllegalArgumentException if they are not of so many tokens
     */
    Read restore(int rows, byte[] stored) {
        if (stored.length != (long) rows * bytesPerToken()) {
            throw new IllegalArgumentException(stored.length + " bytes are not the states of " + rows + " tokens of "
                    + bytesPerToken() + " bytes each");
        }
        Read read = room(rows);
        try (Arena memory = Arena.ofConfined();
                Values scope = new Values()) {
            MemorySegment bytes = memory.allocate(stored.length, Long.BYTES).copyFrom(MemorySegment.ofArray(stored));
            Shape size = new Shape(rows, numbersPerToken());
            IValue joined = scope.of(scope.keep(Matrices.tensor(manager, bytes, size, storedType())));
            scope.keep(script.call("split", joined, scope.tensors(read.tensors())));
            return read;
        } catch (RuntimeException e) {
            read.close();
            throw e;
        }
    }

    private Read room(int rows) {
        Shape size = new Shape(rows, hidden);
        PtNDArray states = manager.create(size, DataType.FLOAT32);
        return new Read(
                states,
                finals == Finals.WANTED ? Optional.of(manager.create(size, DataType.FLOAT32)) : Optional.empty());
    }

    @Override
    public void close() {
        values.close();
        script.close();
        manager.close();
        setting.close();
    }
}
