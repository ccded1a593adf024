package dev.hydrallm.engine.cpu;

import dev.hydrallm.engine.Int8Source;
import dev.hydrallm.engine.Int8Source.Int8Matrix;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.SlidingWindow;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.natives.LargePages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A packed model's tensors as the kernels take them, in one piece of memory in the order in which a step reads them.
 */
final class CpuWeights implements AutoCloseable {
    private static final int ALIGNMENT = 64;
    private static final int LAYER_FIELDS = 7 + 4 * 4;
    private static final int MATRIX_FIELDS = 4;

    private final PackedModel model;
    private final Arena arena = Arena.ofShared();
    private final Int8Source source;
    private final WeightPacking packing;

    /** Numbers of each vector. */
    private final Map<String, Long> vectors = new HashMap<>();

    private final MemorySegment memory;
    private long used;

    /** The embedding's rows, where they are looked up as codes. */
    private @Nullable Int8Matrix lookedUp;

    final Embedding embedding;
    /** Structures of the base's layers, and of the forked ones. */
    final MemorySegment layers;

    /** What draft layers read the next token by; null if they do not. */
    final MemorySegment nextToken;

    final MemorySegment forkedLayers;
    final MemorySegment norm;
    final MemorySegment forkedNorm;
    final MemorySegment lmHead;
    /** By head: its residual blocks, and its language-model head. */
    final List<List<Residual>> residuals = new ArrayList<>();

    final List<MemorySegment> headLmHeads = new ArrayList<>();

    /** A residual block of a head. */
    record Residual(MemorySegment matrix, MemorySegment bias) {}

    CpuWeights(PackedModel model, Kernels kernels) {
        this.model = model;
        source = new Int8Source(model);
        packing = new WeightPacking(model, source, kernels);
        Architecture shape = model.architecture();
        DraftLayout draft = model.draft();
        List<PackLayout.Part> parts = PackLayout.parts(shape, draft);
        for (PackLayout.Part part : parts) {
            if (part instanceof PackLayout.Vector(String name, long length)) {
                vectors.put(name, length);
            }
        }
        memory = LargePages.allocate(parts.stream().mapToLong(CpuWeights::bytes).sum(), arena);
        try {
            embedding = embedding();
            layers = layers("layers.", shape.layers(), 0);
            norm = vector("norm");
            lmHead = matrix(shape.tiedEmbeddings() ? "embedding" : "lm_head");
            nextToken = draft.has(DraftPart.NEXT_TOKEN) ? matrix(PackLayout.NEXT_TOKEN) : MemorySegment.NULL;
            int tapLayer = shape.layers() - draft.forkedLayers();
            forkedLayers = layers("fork.", draft.forkedLayers(), tapLayer);
            forkedNorm = draft.forkedLayers() > 0 ? vector("fork.norm") : norm;
            for (int head = 0; head < draft.heads(); head++) {
                List<Residual> blocks = new ArrayList<>();
                for (int block = 0; block < draft.residualLayers(); block++) {
                    String name = "heads." + head + ".residual." + block;
                    blocks.add(new Residual(matrix(name), vector(name + ".bias")));
                }
                residuals.add(blocks);
                headLmHeads.add(draft.sharedLmHead() ? lmHead : matrix("heads." + head + ".lm_head"));
            }
            packing.await();
            model.awaitVerified();
        } catch (RuntimeException | Error e) {
            end();
            close();
            throw e;
        }
        end();
    }

    private static long bytes(PackLayout.Part part) {
        return switch (part) {
            case PackLayout.Matrix matrix -> tileBytes(matrix) + aligned(scales(matrix) * Float.BYTES);
            case PackLayout.Vector(String _, long length) -> aligned(length * Float.BYTES);
        };
    }

    private static long tileBytes(PackLayout.Matrix matrix) {
        return scales(matrix) * Math.ceilDiv(matrix.columns(), 4L) * 4;
    }

    /** Outputs with the padding. */
    private static long scales(PackLayout.Matrix matrix) {
        return Math.ceilDiv(matrix.rows(), (long) Kernels.TILE) * Kernels.TILE;
    }

    private static long aligned(long bytes) {
        return Math.ceilDiv(bytes, (long) ALIGNMENT) * ALIGNMENT;
    }

    private MemorySegment place(long bytes) {
        MemorySegment place = memory.asSlice(used, bytes);
        used += aligned(bytes);
        return place;
    }

    private Embedding embedding() {
        if (model.manifest().quantization().get(TensorGroup.EMBEDDING) instanceof WeightFormat.Floats) {
            return Embedding.of(model.tensor("embedding.weight"));
        }
        lookedUp = source.lastingRows(source.matrix("embedding"));
        return Embedding.of(lookedUp);
    }

    private MemorySegment layers(String prefix, int count, int firstLayer) {
        Struct structs = Struct.of((long) count * LAYER_FIELDS, arena);
        Architecture shape = model.architecture();
        for (int i = 0; i < count; i++) {
            String layer = prefix + i + ".";
            structs.pointer(vector(layer + "attention_norm"));
            MemorySegment mlpNorm = vector(layer + "mlp_norm");
            structs.pointer(mlpNorm);
            structs.pointer(part(AttentionPart.QKV_BIAS, layer + "qkv.bias"));
            structs.pointer(part(AttentionPart.QK_NORM, layer + "q_norm"));
            structs.pointer(part(AttentionPart.QK_NORM, layer + "k_norm"));
            structs.pointer(part(AttentionPart.O_BIAS, layer + "o.bias"));
            structs.number(window(shape.slidingWindow(), firstLayer + i));
            for (String name : List.of("qkv", "o", "gate_up", "down")) {
                structs.fields(matrix(layer + name));
            }
        }
        return structs.memory();
    }

    private MemorySegment part(AttentionPart part, String name) {
        return model.architecture().has(part) ? vector(name) : MemorySegment.NULL;
    }

    private static long window(@Nullable SlidingWindow window, int layer) {
        return window == null || layer < window.firstLayer() ? 0 : window.length();
    }

    /** Where a vector will be. */
    private MemorySegment vector(String name) {
        MemorySegment place = place(Objects.requireNonNull(vectors.get(name), name) * Float.BYTES);
        packing.vector(name, place);
        return place;
    }

    /** A matrix's structure; its codes follow. The embedding is looked up where it lies. */
    private MemorySegment matrix(String name) {
        PackLayout.Matrix matrix = source.matrix(name);
        MemorySegment tiles = place(tileBytes(matrix));
        MemorySegment scales = place(scales(matrix) * Float.BYTES);
        if (!name.equals("embedding")) {
            packing.matrix(matrix, tiles, scales);
        } else if (lookedUp != null) {
            packing.rows(lookedUp, tiles, scales);
        } else {
            packing.keptNumbers(matrix, tiles, scales);
        }
        return Struct.of(MATRIX_FIELDS, arena)
                .pointer(tiles)
                .pointer(scales)
                .number(matrix.rows())
                .number(matrix.columns())
                .memory();
    }

    private void end() {
        packing.close();
        source.close();
    }

    /** What lives as long as the weights. */
    Arena arena() {
        return arena;
    }

    /** Frees them with all that lives as long. Idempotent. */
    @Override
    public void close() {
        if (!arena.scope().isAlive()) {
            return;
        }
        if (lookedUp != null) {
            lookedUp.close();
        }
        arena.close();
    }
}
