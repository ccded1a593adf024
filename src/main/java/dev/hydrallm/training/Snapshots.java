package dev.hydrallm.training;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.hydrallm.checkpoint.TensorWriter;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.SafetensorsFile;
import dev.hydrallm.model.TensorView;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * The states of a run on the disk, the last {@value #KEPT} of them. Each is a folder that is written under another name and takes its
 * own in one move when every byte is on the disk: whatever interrupts it, the one before is there and whole.
 */
final class Snapshots {
    /** The one before stays, in case the disk lies. */
    private static final int KEPT = 2;

    private static final String TENSORS = "state.safetensors";
    private static final String STATE = "state.json";
    private static final String UNFINISHED = ".unfinished";
    private static final String DELETED = ".deleted";
    private static final Pattern NAME = Pattern.compile("checkpoint-\\d{8,18}");
    private static final int CHUNK = 1 << 26;
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .build();

    /**
     * Where a run is, beside its parameters and their moments. What comes next follows from it and the options: the order of samples is a
     * function of the step.
     *
     * @param step steps that are done
     * @param skipped steps in a row, up to the last, that changed nothing
     * @param open what was learned of since the last line of the metrics
     * @param crc32c of the file of tensors
     */
    record State(long step, int skipped, Window open, long crc32c) {}

    private final Path folder;
    private final Faults faults;

    /** Told before each thing that can go wrong; a test lets it. */
    interface Faults {
        void before(String stage) throws IOException;
    }

    Snapshots(Path folder) {
        this(folder, stage -> {});
    }

    Snapshots(Path folder, Faults faults) {
        this.folder = folder;
        this.faults = faults;
    }

    /** Writes a state, and deletes what is too old. */
    void save(Learner learner, long step, int skipped, Window open) throws IOException {
        clean();
        Path target = folder.resolve(String.format(Locale.ROOT, "checkpoint-%08d", step));
        Path unfinished = target.resolveSibling(target.getFileName() + UNFINISHED);
        if (Files.exists(target)) {
            return;
        }
        faults.before("create");
        Files.createDirectories(unfinished);
        faults.before("tensors");
        write(unfinished.resolve(TENSORS), learner);
        faults.before("state");
        State state = new State(step, skipped, open, crc(unfinished.resolve(TENSORS)));
        try (FileChannel channel =
                FileChannel.open(unfinished.resolve(STATE), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(JSON.writeValueAsBytes(state)));
            channel.force(true);
        }
        force(unfinished);
        faults.before("move");
        Files.move(unfinished, target, StandardCopyOption.ATOMIC_MOVE);
        force(folder);
        faults.before("delete");
        List<Path> all = all();
        for (Path old : all.subList(0, Math.max(0, all.size() - KEPT))) {
            Path deleted = old.resolveSibling(old.getFileName() + DELETED);
            Files.move(old, deleted, StandardCopyOption.ATOMIC_MOVE);
            faults.before("delete one");
            delete(deleted);
        }
    }

    /**
     * Sets a learner to the newest state that is whole.
     *
     * @param warnings told of those that are not
     * @return it; empty when there is none at all
     * @throws ModelFormatException when there are states, but none that is whole
     */
    Optional<State> load(Learner learner, Consumer<String> warnings) throws IOException {
        clean();
        List<Path> all = all();
        for (Path snapshot : all.reversed()) {
            try {
                State state = load(snapshot, learner);
                // Its successors are damaged, and would stand in the way of the same steps' new ones.
                for (Path damaged : all.subList(all.indexOf(snapshot) + 1, all.size())) {
                    delete(damaged);
                }
                return Optional.of(state);
            } catch (IOException | ModelFormatException e) {
                warnings.accept(snapshot + " is damaged (" + e.getMessage() + "); trying the one before");
            }
        }
        if (!all.isEmpty()) {
            throw new ModelFormatException(folder + ": none of its " + all.size()
                    + " checkpoints is whole; remove the folder, or choose another --output-dir");
        }
        return Optional.empty();
    }

    private static State load(Path snapshot, Learner learner) throws IOException {
        State state = JSON.readValue(snapshot.resolve(STATE).toFile(), State.class);
        Path file = snapshot.resolve(TENSORS);
        if (crc(file) != state.crc32c()) {
            throw new IOException(file.getFileName() + " is not what was written");
        }
        try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
            for (Learner.Parameter parameter : learner.parameters()) {
                for (Learner.Part part : Learner.Part.values()) {
                    TensorView tensor = tensors.tensor(name(parameter, part));
                    if (!tensor.shape().equals(entry(parameter, part).shape())) {
                        throw new ModelFormatException(file + ": " + tensor.name() + " is " + tensor.shape());
                    }
                    learner.set(parameter, part, numbers(tensor.data()));
                }
            }
        }
        return state;
    }

    /** The numbers in a file; one buffer outside the heap ends at 2 GiB. */
    private static FloatBuffer numbers(MemorySegment data) {
        return data.byteSize() <= Integer.MAX_VALUE
                ? data.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
                : FloatBuffer.wrap(data.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN)));
    }

    private static void write(Path file, Learner learner) throws IOException {
        List<TensorWriter.Entry> entries = new ArrayList<>();
        Map<String, Export> exports = new HashMap<>();
        for (Learner.Parameter parameter : learner.parameters()) {
            for (Learner.Part part : Learner.Part.values()) {
                entries.add(entry(parameter, part));
                exports.put(name(parameter, part), into -> learner.export(parameter, part, into));
            }
        }
        TensorWriter.safetensors(
                file,
                entries,
                (entry, into) ->
                        Objects.requireNonNull(exports.get(entry.name())).into(into));
    }

    private interface Export {
        void into(FloatBuffer buffer);
    }

    private static TensorWriter.Entry entry(Learner.Parameter parameter, Learner.Part part) {
        return TensorWriter.Entry.of(name(parameter, part), DType.F32, parameter.shape());
    }

    private static String name(Learner.Parameter parameter, Learner.Part part) {
        return part.name().toLowerCase(Locale.ROOT) + "/" + parameter.name();
    }

    private static long crc(Path file) throws IOException {
        CRC32C crc = new CRC32C();
        ByteBuffer chunk = ByteBuffer.allocateDirect((int) Math.min(CHUNK, Math.max(1, Files.size(file))));
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            while (channel.read(chunk.clear()) >= 0) {
                crc.update(chunk.flip());
            }
        }
        return crc.getValue();
    }

    /** From the oldest to the newest. */
    private List<Path> all() throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.filter(entry ->
                            NAME.matcher(entry.getFileName().toString()).matches())
                    .sorted(Comparator.comparingLong(Snapshots::step))
                    .toList();
        }
    }

    private static long step(Path snapshot) {
        String name = snapshot.getFileName().toString();
        return Long.parseLong(name.substring(name.indexOf('-') + 1));
    }

    /** Deletes what was interrupted. */
    private void clean() throws IOException {
        List<Path> left;
        try (Stream<Path> entries = Files.list(folder)) {
            left = entries.filter(entry -> {
                        String name = entry.getFileName().toString();
                        return name.startsWith("checkpoint-") && (name.endsWith(UNFINISHED) || name.endsWith(DELETED));
                    })
                    .toList();
        }
        for (Path each : left) {
            delete(each);
        }
    }

    private static void delete(Path snapshot) throws IOException {
        try (Stream<Path> files = Files.list(snapshot)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(snapshot);
    }

    /** Sees a folder's names safe on the disk. */
    private static void force(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }
}
