package dev.hydrallm.engine.torch;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorView;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.testing.Safetensors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Writes packs of random weights of any shape, and of another pack's weights in single precision. */
final class TinyPack {
    private TinyPack() {}

    /** A pack whose weights are {@code spread} times Gaussian numbers; 0 gives a model of zeros. */
    static PackedModel write(
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

    private static PackedModel write(
            Path folder,
            Architecture architecture,
            DraftLayout draft,
            WeightFormat format,
            Function<PackLayout.Stored, byte[]> content) {
        try {
            Files.createDirectories(folder);
            Map<dev.hydrallm.model.TensorGroup, WeightFormat> formats =
                    PackLayout.groups(architecture, draft).stream().collect(Collectors.toMap(g -> g, g -> format));
            List<String> entries = new ArrayList<>();
            java.io.ByteArrayOutputStream data = new java.io.ByteArrayOutputStream();
            for (PackLayout.Part part : PackLayout.parts(architecture, draft)) {
                for (PackLayout.Stored tensor : PackLayout.stored(part, formats)) {
                    add(tensor, content.apply(tensor), entries, data);
                }
            }
            String header = "{" + String.join(",", entries) + "}";
            int pad = Math.floorMod(-(header.length() + Long.BYTES), PackLayout.ALIGNMENT);
            Path weights = Safetensors.write(
                    folder.resolve(Manifest.WEIGHTS_FILE), header + " ".repeat(pad), data.toByteArray());
            Path tokenizer = Files.writeString(folder.resolve(Manifest.TOKENIZER_FILE), "{}");
            new Manifest(
                            1,
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

    private static String digest(Path file) throws IOException {
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
            return HexFormat.of().formatHex(hash);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    static float[] floats(PackedModel model, String name) {
        TensorView view = model.tensor(name);
        ByteBuffer bytes = view.data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[(int) view.elements()];
        switch (view.dtype()) {
            case F32 -> bytes.asFloatBuffer().get(values);
            case I8 -> {
                float[] scales = floats(model, name.replace(".weight", ".scale"));
                int columns = values.length / scales.length;
                for (int i = 0; i < values.length; i++) {
                    values[i] = bytes.get(i) * scales[i / columns];
                }
            }
            default -> throw new AssertionError(view.dtype().name());
        }
        return values;
    }
}
