package dev.hydrallm.engine.cpu;

import dev.hydrallm.engine.DecoderProgram.Rows;
import dev.hydrallm.engine.RowShapeCache;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.natives.LargePages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Keys and values of some layers, slot by slot. */
final class KvCaches {
    /** Fields of {@code hydra_sequence}. */
    static final long SEQUENCE_FIELDS = 6;

    private static final long VALUE_UNIT = 16;

    private final List<MemorySegment> keys = new ArrayList<>();
    private final List<MemorySegment> values = new ArrayList<>();

    KvCaches(Architecture model, int layers, StepRoom room, Arena arena) {
        long heads = (long) Math.max(1, layers) * model.kvHeads() * room.cacheRows();
        long width = Math.ceilDiv((long) model.headDim(), VALUE_UNIT) * VALUE_UNIT;
        for (int slot = 0; slot < room.slots(); slot++) {
            keys.add(LargePages.allocate(heads * model.headDim() * Float.BYTES, arena));
            values.add(LargePages.allocate(heads * width * Float.BYTES, arena));
        }
    }

    MemorySegment keys(int slot) {
        return keys.get(slot);
    }

    MemorySegment values(int slot) {
        return values.get(slot);
    }

    /** Writes the structures of a batch. */
    MemorySegment sequences(Struct structs, List<Rows> batch, RowShapeCache<RowMap> shapes) {
        structs.rewind();
        for (Rows rows : batch) {
            RowMap map = shapes.of(rows.shape());
            structs.number(rows.shape().count())
                    .number(rows.start())
                    .pointer(map.depths())
                    .pointer(map.paths())
                    .pointer(keys(rows.slot()))
                    .pointer(values(rows.slot()));
        }
        return structs.begun();
    }
}
