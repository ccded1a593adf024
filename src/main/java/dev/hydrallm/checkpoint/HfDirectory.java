package dev.hydrallm.checkpoint;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** A directory in Hugging Face's layout: {@code config.json} beside the weights. */
record HfDirectory(Path directory, HfConfig config, TensorSource source) implements BaseModel {

    static HfDirectory open(Path directory) {
        TensorSource source = TensorSource.model(directory);
        try {
            return new HfDirectory(directory, HfConfig.read(directory), source);
        } catch (RuntimeException e) {
            source.close();
            throw e;
        }
    }

    @Override
    public Map<String, SourceTensor> tensors() {
        return source.tensors();
    }

    @Override
    public Path weights() {
        return source.path();
    }

    @Override
    public Optional<byte[]> embeddedTokenizer() {
        return Optional.empty();
    }

    @Override
    public Optional<String> embeddedChatTemplate() {
        return Optional.empty();
    }

    @Override
    public String name() {
        return Checkpoint.nameOf(directory);
    }

    @Override
    public void close() {
        source.close();
    }
}
