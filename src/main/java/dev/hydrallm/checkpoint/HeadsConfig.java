package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.ModelFormatException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The {@code config.json} beside draft heads. Its counts are known to be wrong in published files, so they are compared
 * with the tensors and never believed.
 */
record HeadsConfig(
        Optional<Integer> heads,
        Optional<Integer> residualLayers,
        Optional<Integer> forkedLayers,
        boolean nextToken,
        Optional<String> baseModel) {

    static HeadsConfig read(Path directory) {
        Path file = directory.resolve("config.json");
        ObjectNode config = JsonFiles.object(file);
        return new HeadsConfig(
                count(file, config, "medusa_num_heads"),
                count(file, config, "medusa_num_layers"),
                count(file, config, "medusa_num_decoder_layers"),
                config.path("medusa_next_token").asBoolean(),
                Optional.ofNullable(config.path("base_model_name_or_path").textValue()));
    }

    private static Optional<Integer> count(Path file, ObjectNode config, String name) {
        return JsonFiles.has(config, name) ? Optional.of(JsonFiles.integer(file, config, name)) : Optional.empty();
    }

    /** The base's directory or GGUF file: relative to the heads' own directory. */
    Path base(Path directory) {
        String name = baseModel.orElseThrow(() -> new ModelFormatException(
                directory.resolve("config.json") + ": no base_model_name_or_path; name the base with --base-model"));
        try {
            Path base = directory.resolve(name).normalize();
            if (Files.exists(base)) {
                return base;
            }
            throw new ModelFormatException(directory.resolve("config.json") + ": the base model " + name + " is not at "
                    + base + "; name its directory or GGUF file with --base-model");
        } catch (InvalidPathException e) {
            throw new ModelFormatException(
                    directory.resolve("config.json") + ": the base model " + name + " is no path: " + e.getReason(), e);
        }
    }

    /** The base's name when there is one, but no directory of that name. */
    Optional<String> missingBase(Path directory) {
        try {
            return baseModel.filter(name -> !Files.isDirectory(directory.resolve(name)));
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }

    /** Where the tensors found and this file disagree, in words. */
    List<String> disagreements(DraftLayout found) {
        List<String> lines = new ArrayList<>();
        compare(lines, "medusa_num_heads", heads, found.heads());
        compare(lines, "medusa_num_layers", residualLayers, found.residualLayers());
        compare(lines, "medusa_num_decoder_layers", forkedLayers, found.forkedLayers());
        if (nextToken && !found.has(DraftPart.NEXT_TOKEN)) {
            lines.add("config.json says medusa_next_token, the weights lack " + DraftHeads.Names.NEXT_TOKEN
                    + ": without it these heads guess far worse than they learnt");
        }
        return lines;
    }

    private static void compare(List<String> lines, String name, Optional<Integer> said, int found) {
        if (said.isPresent() && said.get() != found) {
            lines.add("config.json says " + name + " " + said.get() + ", the weights hold " + found);
        }
    }
}
