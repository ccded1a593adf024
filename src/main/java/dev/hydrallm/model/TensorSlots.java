package dev.hydrallm.model;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The tensors of a file, in its order. */
final class TensorSlots {
    private final Path file;
    private final List<TensorSlot> inOrder;
    private final Map<String, TensorSlot> byName = new LinkedHashMap<>();

    /** @param dataBegin where the data begin in the file */
    TensorSlots(Path file, List<SafetensorsHeader.Entry> entries, long dataBegin) {
        this.file = file;
        inOrder =
                entries.stream().map(entry -> new TensorSlot(entry, dataBegin)).toList();
        inOrder.forEach(slot -> byName.put(slot.entry.name(), slot));
    }

    /** All of them. */
    List<TensorSlot> all() {
        return inOrder;
    }

    /** @throws ModelFormatException when there is none of that name */
    TensorSlot named(String name) {
        TensorSlot slot = byName.get(name);
        if (slot == null) {
            throw new ModelFormatException(file + ": tensor " + name + " is missing");
        }
        return slot;
    }

    /** Those that have a byte of {@code begin..end} of the file. */
    List<TensorSlot> within(long begin, long end) {
        return inOrder
                .subList(firstEndingBehind(begin), Math.min(inOrder.size(), firstEndingBehind(end - 1) + 1))
                .stream()
                .filter(slot -> slot.overlaps(begin, end))
                .toList();
    }

    private int firstEndingBehind(long place) {
        int low = 0;
        int high = inOrder.size();
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (inOrder.get(middle).end > place) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }
}
