package dev.hydrallm.engine;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;

/**
 * What a device needs to know of row shapes, kept because the same few come every step.
 *
 * @param <T> a shape's form on the device; closed when it was not used for long
 */
public final class RowShapeCache<T extends AutoCloseable> implements AutoCloseable {
    private static final int KEPT = 64;

    private final Function<RowShape, T> maker;
    private final LinkedHashMap<RowShape, T> kept = new LinkedHashMap<>(16, 0.75f, true);

    /** An empty cache of what {@code maker} makes. */
    public RowShapeCache(Function<RowShape, T> maker) {
        this.maker = maker;
    }

    /** A shape's form on the device; it is the cache's to close. */
    public T of(RowShape shape) {
        T known = kept.get(shape);
        if (known != null) {
            return known;
        }
        if (kept.size() >= KEPT) {
            Map.Entry<RowShape, T> oldest = kept.firstEntry();
            kept.remove(oldest.getKey());
            close(oldest.getValue());
        }
        T made = maker.apply(shape);
        kept.put(shape, made);
        return made;
    }

    private void close(T form) {
        try {
            form.close();
        } catch (Exception e) {
            throw new IllegalStateException("a row shape could not be freed", e);
        }
    }

    @Override
    public void close() {
        kept.values().forEach(this::close);
        kept.clear();
    }
}
