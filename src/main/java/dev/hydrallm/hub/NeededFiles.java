package dev.hydrallm.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Which of a repository's files a model is made of: one form of its weights, and what stands beside them. */
final class NeededFiles {
    private static final String PACK = "hydra.json";
    private static final long LONGEST_INDEX = 64 << 20;
    private static final String INDEX = ".index.json";

    /** Weights by preference: a packed model, draft heads, a model; of each the one that runs no code in anybody's hands. */
    private static final List<String> WEIGHTS = List.of(
            PACK,
            "medusa_lm_head.safetensors",
            "medusa_lm_head.pt",
            "model.safetensors",
            "model.safetensors" + INDEX,
            "pytorch_model.bin",
            "pytorch_model.bin" + INDEX,
            "pytorch_model.pt");

    private static final Set<String> BESIDE = Set.of(
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer.model",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "chat_template.jinja");

    private static final Set<String> TOKENIZERS = Set.of("tokenizer.json", "tokenizer.model");

    private NeededFiles() {}

    /** Fetches an index of shards, or finds it. */
    @FunctionalInterface
    interface Index {
        Path read(String name) throws IOException;
    }

    /**
     * The files to fetch.
     *
     * @param held all that the repository holds
     * @return paths in the repository; empty when it holds no weights that this program reads
     */
    static Set<String> of(Set<String> held, Index index) throws IOException {
        Optional<String> weights = WEIGHTS.stream().filter(held::contains).findFirst();
        if (weights.isEmpty()) {
            return Set.of();
        }
        Set<String> needed = new TreeSet<>(BESIDE);
        needed.retainAll(held);
        needed.add(weights.get());
        if (weights.get().equals(PACK)) {
            return Set.of(PACK, "weights.safetensors", "tokenizer.json");
        }
        if (weights.get().endsWith(INDEX)) {
            needed.addAll(shards(index.read(weights.get())));
        }
        return needed;
    }

    /** Whether a snapshot that others may have made holds a model, so that nobody need be asked. */
    static boolean complete(Set<String> held, Index index) throws IOException {
        Set<String> needed = of(held, index);
        boolean heads = needed.stream().anyMatch(name -> name.startsWith("medusa_lm_head"));
        return !needed.isEmpty()
                && held.containsAll(needed)
                && (needed.contains("config.json") || needed.contains(PACK))
                && (heads || TOKENIZERS.stream().anyMatch(held::contains));
    }

    /** The files that match one of the patterns, in which {@code *} and {@code ?} stand for slashes too. */
    static Set<String> matching(Set<String> held, List<String> patterns) {
        List<Pattern> all = patterns.stream().map(NeededFiles::pattern).toList();
        return held.stream()
                .filter(name ->
                        all.stream().anyMatch(pattern -> pattern.matcher(name).matches()))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static Pattern pattern(String glob) {
        return Pattern.compile(glob.chars()
                .mapToObj(c -> switch (c) {
                    case '*' -> ".*";
                    case '?' -> ".";
                    default -> Pattern.quote(Character.toString(c));
                })
                .collect(Collectors.joining()));
    }

    private static Set<String> shards(Path index) throws IOException {
        JsonNode weightMap;
        if (Files.size(index) > LONGEST_INDEX) {
            throw new HubException(index + ": longer than " + LONGEST_INDEX + " bytes");
        }
        try {
            weightMap = new JsonMapper().readTree(Files.readAllBytes(index)).path("weight_map");
        } catch (JsonProcessingException e) {
            throw new HubException(index + ": is no valid JSON: " + e.getOriginalMessage(), e);
        }
        Set<String> shards = new TreeSet<>();
        weightMap.properties().forEach(entry -> shards.add(entry.getValue().asText()));
        if (shards.isEmpty()) {
            throw new HubException(index + ": no weight_map");
        }
        return shards;
    }
}
