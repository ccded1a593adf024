package dev.hydrallm.evaluation;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A file of one model's MT-bench answers, a line each, that a run which was broken off goes on with: what is in the file
 * stays, except for a last line that was not written to its end. One process at a time can have it open.
 */
public final class MtBenchAnswers implements AutoCloseable {
    private final FileChannel channel;
    private final Map<String, String> options;
    private final Map<Integer, MtBenchAnswer> answers = new LinkedHashMap<>();

    private MtBenchAnswers(FileChannel channel, Map<String, String> options) {
        this.channel = channel;
        this.options = options;
    }

    /**
     * Opens a file, or makes it with the folders above it.
     *
     * @param modelId whose answers it holds
     * @param options that its answers depend on, by name; those of another program are taken for ones under the same
     * @throws IllegalArgumentException if it holds something else, or answers with other options, or another process has it open
     */
    public static MtBenchAnswers open(Path file, String modelId, Map<String, String> options) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        if (folder != null) {
            Files.createDirectories(folder);
        }
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            if (lock(channel) == null) {
                throw new IllegalArgumentException(file + " is being written by another process");
            }
            MtBenchAnswers opened = new MtBenchAnswers(channel, options);
            opened.readAll(file, modelId);
            return opened;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static @Nullable FileLock lock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            return null; // by this process
        }
    }

    private void readAll(Path file, String modelId) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        int start = 0;
        for (int number = 1; start < bytes.length; number++) {
            int end = start;
            while (end < bytes.length && bytes[end] != '\n') {
                end++;
            }
            String line = new String(bytes, start, end - start, StandardCharsets.UTF_8);
            if (!line.isBlank()) {
                MtBenchAnswer answer;
                try {
                    answer = MtBenchAnswer.fromJson(line);
                } catch (IllegalArgumentException e) {
                    if (end == bytes.length && torn(line, e)) {
                        break; // torn: what is before it stays
                    }
                    throw new IllegalArgumentException(file + ", line " + number + ": " + e.getMessage(), e);
                }
                if (!answer.modelId().equals(modelId)) {
                    throw new IllegalArgumentException(file + " holds answers of " + answer.modelId() + ", not of "
                            + modelId + ": give another --output, or the --model-id that it was begun with");
                }
                if (!answer.options().isEmpty() && !answer.options().equals(options)) {
                    throw new IllegalArgumentException(file + " holds answers given with " + words(answer.options())
                            + ", not with " + words(options) + ": give another --output, or the same options");
                }
                answers.put(answer.questionId(), answer);
            }
            start = Math.min(end + 1, bytes.length);
        }
        channel.truncate(start);
        channel.position(start);
        if (start > 0 && bytes[start - 1] != '\n') {
            write("\n"); // complete but for its end
        }
    }

    private static String words(Map<String, String> options) {
        return options.entrySet().stream()
                .map(option -> option.getKey() + " " + option.getValue())
                .collect(Collectors.joining(" "));
    }

    /** Whether a line is the beginning of an answer, so that no other file is taken for one that was broken off, and emptied. */
    private static boolean torn(String line, IllegalArgumentException error) {
        boolean begun = line.startsWith(MtBenchAnswer.BEGINNING) || MtBenchAnswer.BEGINNING.startsWith(line);
        return begun && error.getCause() != null;
    }

    /** Whether a question has its answer. */
    public boolean holds(int questionId) {
        return answers.containsKey(questionId);
    }

    /** All answers, those of earlier runs included. */
    public List<MtBenchAnswer> all() {
        return List.copyOf(answers.values());
    }

    /** Writes one more, to the disk. */
    void add(MtBenchAnswer answer) throws IOException {
        MtBenchAnswer given = answer.with(options);
        write(given.toJson() + "\n");
        channel.force(false);
        answers.put(given.questionId(), given);
    }

    private void write(String text) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
