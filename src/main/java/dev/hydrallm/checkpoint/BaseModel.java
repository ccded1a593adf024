package dev.hydrallm.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** A base model as others publish it: a directory in Hugging Face's layout, or one GGUF file. Stays mapped until closed. */
sealed interface BaseModel extends AutoCloseable permits HfDirectory, GgufModel {
    /**
     * Opens whichever of both a path is.
     *
     * @throws dev.hydrallm.model.ModelFormatException when a file is missing, broken or of an unsupported kind
     */
    static BaseModel open(Path path) {
        return Files.isRegularFile(path) ? GgufModel.open(path) : HfDirectory.open(path);
    }

    HfConfig config();

    /** All tensors by their names in a Llama checkpoint. */
    Map<String, SourceTensor> tensors();

    /** The file that a tensor's absence or shape is reported for. */
    Path weights();

    /** Where the tokenizer's files are looked for. */
    Path directory();

    /** A {@code tokenizer.json} made of what the weights' own file says; empty when it says nothing. */
    Optional<byte[]> embeddedTokenizer();

    /** The chat template in the weights' own file. */
    Optional<String> embeddedChatTemplate();

    /** What people call it. */
    String name();

    @Override
    void close();
}
