package dev.hydrallm.training.data;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Marked;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.prompt.Tokenizers;
import dev.hydrallm.training.Sample;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;

/** Files that are made into token files, with the demo's tokenizer and Vicuna's template. */
abstract class PreparedFiles {
    static final JsonMapper JSON = new JsonMapper();
    static final Tokenizer DEMO = Tokenizers.demo();
    static final String DIGEST = "cd".repeat(32);
    static final Preparation.Base VICUNA =
            new Preparation.Base(DEMO, ChatTemplate.of("vicuna_v1.1", DEMO), DIGEST, 4096);
    static final String SYSTEM = "<s>" + ChatTemplate.VICUNA_SYSTEM + " USER: ";
    static final Preparation.Options PLAIN = new Preparation.Options(1024, Optional.empty(), 0, 2);

    @TempDir
    Path folder;

    Path output() {
        return folder.resolve("out/tokens.bin");
    }

    Path eval() {
        return folder.resolve("out/eval.bin");
    }

    Path file(String name, String content) throws IOException {
        return Files.writeString(folder.resolve(name), content);
    }

    Preparation.Result prepare(Preparation.Options options, Path... inputs) throws IOException {
        return Preparation.run(
                VICUNA, options, Inputs.find(List.of(inputs), "*", Inputs.Format.AUTO), output(), eval(), done -> {});
    }

    static List<Sample> samples(Path path) {
        try (TokenFile file = TokenFile.open(path)) {
            return IntStream.range(0, file.count()).mapToObj(file::get).toList();
        }
    }

    static List<String> marked(Path path) {
        return samples(path).stream()
                .map(sample -> Marked.text(DEMO, sample.tokens(), sample.labelled()))
                .toList();
    }

    static String shareGpt(String... contents) {
        ObjectNode json = JSON.createObjectNode().put("id", "x");
        ArrayNode list = json.putArray("conversations");
        for (int i = 0; i < contents.length; i++) {
            list.addObject().put("from", i % 2 == 0 ? "human" : "gpt").put("value", contents[i]);
        }
        return json.toString();
    }
}
