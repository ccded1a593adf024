package dev.hydrallm.engine;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.FileDigest;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.TensorView;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.quantization.FourBit;
import dev.hydrallm.quantization.Int4;
import dev.hydrallm.quantization.Int8;
import dev.hydrallm.quantization.Nf4;
import dev.hydrallm.testing.Safetensors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** Writes packs of random weights of any shape, and of another pack's weights in single precision. */
public final class TinyPack {
    private TinyPack() {}

    /** A pack whose weights are {@code spread} times Gaussian numbers; 0 gives a model of zeros. */
    public static PackedModel write(
            Path folder, Architecture architecture, DraftLayout draft, WeightFormat format, double spread) {
        Random random = new Random(7);
        return write(folder, architecture, draft, format, tensor -> bytes(tensor, random, spread));
    }

    /** A pack's weights as the numbers that they stand for. */
    static PackedModel expanded(Path folder, PackedModel model) {
        return write(folder, model.architecture(), model.draft(), WeightFormat.F32, tensor -> {
            float[] values = floats(model, tensor.name());
            ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(values);
            return bytes.array();
        });
    }

    /** A pack's weights as int8 rows, each encoded from the numbers that its weights stand for. */
    static PackedModel eightBit(Path folder, PackedModel model) {
        return write(folder, model.architecture(), model.draft(), WeightFormat.INT8, tensor -> {
            String matrix = tensor.name().replaceFirst("[.](weight|scale)$", "");
            boolean vector = matrix.equals(tensor.name());
            float[] values = floats(model, vector ? matrix : matrix + ".weight");
            ByteBuffer bytes = ByteBuffer.allocate((int) TensorView.byteSize(tensor.dtype(), tensor.shape()))
                    .order(ByteOrder.LITTLE_ENDIAN);
            if (vector) {
                bytes.asFloatBuffer().put(values);
                return bytes.array();
            }
            int rows = tensor.shape().getFirst().intValue();
            int columns = values.length / rows;
            for (int r = 0; r < rows; r++) {
                byte[] codes = new byte[columns];
                float scale = Int8.encode(Arrays.copyOfRange(values, r * columns, (r + 1) * columns), codes);
                if (tensor.dtype() == DType.I8) {
                    bytes.put(codes);
                } else {
                    bytes.putFloat(scale);
                }
            }
            return bytes.array();
        });
    }

    /** A pack's weights in symmetric int4 with groups of 64. */
    static PackedModel fourBit(Path folder, PackedModel model) {
        WeightFormat format = WeightFormat.named("int4-g64");
        return write(folder, model.architecture(), model.draft(), format, tensor -> {
            float[] values = floats(model, tensor.name().replaceFirst("[.]scale$", ".weight"));
            if (tensor.dtype() == DType.F32) {
                ByteBuffer bytes =
                        ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
                bytes.asFloatBuffer().put(values);
                return bytes.array();
            }
            // Groups divide rows, so the whole matrix may pass for one row.
            byte[] packed = new byte[values.length / 2];
            short[] scales = new short[values.length / 64];
            Int4.encodeSymmetric(values, 64, packed, scales);
            ByteBuffer halves = ByteBuffer.allocate(Short.BYTES * scales.length).order(ByteOrder.LITTLE_ENDIAN);
            halves.asShortBuffer().put(scales);
            return tensor.dtype() == DType.U8 ? packed : halves.array();
        });
    }

    /** A copy of a pack whose tensor of that name begins with another half-precision number. */
    static Path altered(Path folder, PackedModel model, String name, short first) {
        return altered(folder, model, name, bytes -> bytes.putShort(first));
    }

    /** A copy of a pack whose tensor of that name begins with another number. */
    static Path altered(Path folder, PackedModel model, String name, float first) {
        return altered(folder, model, name, bytes -> bytes.putFloat(first));
    }

    private static Path altered(Path folder, PackedModel model, String name, Consumer<ByteBuffer> change) {
        write(folder, model.architecture(), model.draft(), model.manifest().quantization(), tensor -> {
                    byte[] bytes = model.tensor(tensor.name()).data().toArray(ValueLayout.JAVA_BYTE);
                    if (tensor.name().equals(name)) {
                        change.accept(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
                    }
                    return bytes;
                })
                .close();
        return folder;
    }

    private static PackedModel write(
            Path folder,
            Architecture architecture,
            DraftLayout draft,
            WeightFormat format,
            Function<PackLayout.Stored, byte[]> content) {
        Map<TensorGroup, WeightFormat> formats =
                PackLayout.groups(architecture, draft).stream().collect(Collectors.toMap(g -> g, g -> format));
        return write(folder, architecture, draft, formats, content);
    }

    /** A copy of a pack whose codes stand before all that expands them, as those of 4 bits did once. */
    static PackedModel codesFirst(Path folder, PackedModel model) {
        UnaryOperator<List<PackLayout.Stored>> codesFirst = stored -> stored.stream()
                .sorted(Comparator.comparing(tensor -> !tensor.name().endsWith(".weight")))
                .toList();
        return write(
                folder,
                model.architecture(),
                model.draft(),
                model.manifest().quantization(),
                tensor -> model.tensor(tensor.name()).data().toArray(ValueLayout.JAVA_BYTE),
                codesFirst);
    }

    private static PackedModel write(
            Path folder,
            Architecture architecture,
            DraftLayout draft,
            Map<TensorGroup, WeightFormat> formats,
            Function<PackLayout.Stored, byte[]> content) {
        return write(folder, architecture, draft, formats, content, UnaryOperator.identity());
    }

    /** @param order of each part's tensors */
    private static PackedModel write(
            Path folder,
            Architecture architecture,
            DraftLayout draft,
            Map<TensorGroup, WeightFormat> formats,
            Function<PackLayout.Stored, byte[]> content,
            UnaryOperator<List<PackLayout.Stored>> order) {
        try {
            Files.createDirectories(folder);
            List<String> entries = new ArrayList<>();
            java.io.ByteArrayOutputStream data = new java.io.ByteArrayOutputStream();
            for (PackLayout.Part part : PackLayout.parts(architecture, draft)) {
                for (PackLayout.Stored tensor : order.apply(PackLayout.stored(part, formats))) {
                    add(tensor, content.apply(tensor), entries, data);
                }
            }
            String header = "{" + String.join(",", entries) + "}";
            int pad = Math.floorMod(-(header.length() + Long.BYTES), PackLayout.ALIGNMENT);
            Path weights = Safetensors.write(
                    folder.resolve(Manifest.WEIGHTS_FILE), header + " ".repeat(pad), data.toByteArray());
            Path tokenizer = Files.writeString(folder.resolve(Manifest.TOKENIZER_FILE), "{}");
            new Manifest(
                            Manifest.FORMAT_VERSION,
                            "tiny",
                            architecture,
                            draft,
                            formats,
                            null,
                            "raw",
                            null,
                            List.of(),
                            List.of("a test"),
                            Map.of(Manifest.WEIGHTS_FILE, digest(weights), Manifest.TOKENIZER_FILE, digest(tokenizer)))
                    .write(folder);
            return PackedModel.open(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void add(
            PackLayout.Stored tensor, byte[] bytes, List<String> entries, java.io.ByteArrayOutputStream data) {
        int begin = data.size();
        data.writeBytes(bytes);
        int end = data.size();
        int pad = Math.floorMod(-end, PackLayout.ALIGNMENT);
        data.writeBytes(new byte[pad]);
        entries.add(
                '"' + tensor.name() + "\":" + Safetensors.entry(tensor.dtype().name(), tensor.shape(), begin, end));
        if (pad > 0) {
            entries.add("\"pad." + entries.size() + "\":"
                    + Safetensors.entry("U8", List.of((long) pad), end, end + (long) pad));
        }
    }

    private static byte[] bytes(PackLayout.Stored tensor, Random random, double spread) {
        int size = (int) TensorView.byteSize(tensor.dtype(), tensor.shape());
        ByteBuffer bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        boolean norm = tensor.name().endsWith("norm");
        boolean scale = tensor.name().endsWith(".scale");
        while (bytes.hasRemaining()) {
            double gauss = spread * random.nextGaussian();
            if (tensor.dtype() == DType.I8) {
                bytes.put((byte) Math.clamp(Math.round(60 * random.nextGaussian()), -127, 127));
            } else {
                bytes.putFloat((float) (norm ? 1 + gauss : scale ? spread / 60 * (1 + random.nextDouble()) : gauss));
            }
        }
        return bytes.array();
    }

    private static FileDigest digest(Path file) throws IOException {
        return FileDigest.of(Files.readAllBytes(file));
    }

    /** The numbers that a tensor's weights stand for. */
    static float[] floats(PackedModel model, String name) {
        TensorView view = model.tensor(name);
        ByteBuffer bytes = view.data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[(int) view.elements()];
        switch (view.dtype()) {
            case F32 -> bytes.asFloatBuffer().get(values);
            case F16 -> {
                for (int i = 0; i < values.length; i++) {
                    values[i] = Float.float16ToFloat(bytes.getShort(2 * i));
                }
            }
            case I8 -> {
                float[] scales = floats(model, name.replace(".weight", ".scale"));
                int columns = values.length / scales.length;
                for (int i = 0; i < values.length; i++) {
                    values[i] = bytes.get(i) * scales[i / columns];
                }
            }
            case U8 -> {
                return fourBit(model, name.replace(".weight", ""));
            }
            default -> throw new AssertionError(view.dtype().name());
        }
        return values;
    }

    private static float[] fourBit(PackedModel model, String name) {
        TensorView weight = model.tensor(name + ".weight");
        byte[] packed = weight.data().toArray(ValueLayout.JAVA_BYTE);
        boolean normal = model.manifest().tensors().stream()
                .anyMatch(tensor -> tensor.name().equals(name + ".absmax"));
        TensorView groups = model.tensor(name + (normal ? ".absmax" : ".scale"));
        int groupSize = (int) (2 * weight.elements() / groups.elements());
        FourBit.Levels levels;
        if (normal) {
            levels = Nf4.levels(new Nf4.Absmaxes(
                    groups.data().toArray(ValueLayout.JAVA_BYTE),
                    floats(model, name + ".absmax_scale"),
                    floats(model, name + ".absmax_mean")[0]));
        } else {
            short[] scales = groups.data().toArray(ValueLayout.JAVA_SHORT);
            levels = model.manifest().tensors().stream()
                            .anyMatch(tensor -> tensor.name().equals(name + ".minimum"))
                    ? Int4.asymmetric(
                            scales, model.tensor(name + ".minimum").data().toArray(ValueLayout.JAVA_SHORT))
                    : Int4.symmetric(scales);
        }
        float[] values = new float[2 * packed.length];
        FourBit.decode(packed, groupSize, levels, values);
        return values;
    }
}
