package dev.hydrallm.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a repository holds at a commit.
 *
 * @param files the files' paths in the repository, each safe to be resolved against a folder
 */
record Listing(String commit, Set<String> files) {
    private static final JsonMapper MAPPER = new JsonMapper();
    private static final int LONGEST_NAME = 1_000;

    Listing {
        files = Collections.unmodifiableSortedSet(new TreeSet<>(files));
    }

    /**
     * Reads a hub's answer about a repository: its {@code sha} and the {@code rfilename}s of its {@code siblings}.
     *
     * @throws HubException when it is something else, or when a name leads out of the folder
     */
    static Listing parse(byte[] json) {
        JsonNode root;
        try {
            root = MAPPER.readTree(json);
        } catch (JsonProcessingException e) {
            throw new HubException("the hub's answer is no valid JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new HubException("the hub's answer cannot be read: " + e.getMessage(), e);
        }
        String commit = root.path("sha").asText("");
        if (!Repository.COMMIT.matcher(commit).matches()
                || !root.path("siblings").isArray()) {
            throw new HubException("the hub's answer names no commit and no files: is HF_ENDPOINT a hub?");
        }
        Set<String> files = new TreeSet<>();
        for (JsonNode sibling : root.path("siblings")) {
            files.add(safe(sibling.path("rfilename").asText("")));
        }
        return new Listing(commit, files);
    }

    private static String safe(String name) {
        boolean strange = name.length() > LONGEST_NAME
                || name.indexOf('\\') >= 0
                || name.chars().anyMatch(Character::isISOControl)
                || !StandardCharsets.UTF_8.newEncoder().canEncode(name);
        for (String segment : name.split("/", -1)) {
            strange |= segment.isEmpty() || segment.equals(".") || segment.equals("..");
        }
        if (strange) {
            throw new HubException("the repository lists a file called \"" + name
                    + "\", which is no name of a file inside a folder; nothing was fetched");
        }
        return name;
    }
}
