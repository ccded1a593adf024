package dev.hydrallm.nativeimage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * What GraalVM's builder is told of a program's look-ups by name: reads its files of today and of before, and writes
 * today's ({@code reachability-metadata.json}, schema 1.2).
 */
final class ReachabilityMetadata {
    private static final ObjectMapper JSON = new ObjectMapper()
            .enable(SerializationFeature.INDENT_OUTPUT)
            .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS);

    /** By name, the attributes; whoever lists single members grants all kinds of them. */
    private final Map<String, Set<String>> types = new HashMap<>();

    private final Set<String> proxies = new HashSet<>();
    private final Set<String> functions = new HashSet<>();
    private final Set<Predicate<String>> resources = new HashSet<>();

    /**
     * Adds a file; one that is none of the builder's is passed over.
     *
     * @param name of the file, with or without its folder
     */
    void add(String name, String text) {
        String file = name.substring(name.lastIndexOf('/') + 1);
        try {
            JsonNode json = JSON.readTree(text);
            switch (file) {
                case "reachability-metadata.json" -> {
                    json.path("reflection").forEach(entry -> addType(entry, Access.TYPE));
                    json.path("resources").forEach(this::addResource);
                    json.path("foreign").path("downcalls").forEach(entry -> functions.add(signature(entry)));
                }
                case "reflect-config.json", "reflection-config.json" ->
                    json.forEach(entry -> addType(entry, Access.TYPE));
                case "jni-config.json" -> json.forEach(entry -> addType(entry, Access.JNI));
                case "resource-config.json" -> {
                    JsonNode list = json.path("resources");
                    (list.isArray() ? list : list.path("includes")).forEach(this::addResource);
                }
                case "proxy-config.json" ->
                    json.forEach(entry -> proxies.add(joined(entry.isArray() ? entry : entry.path("interfaces"))));
                default -> {}
            }
        } catch (IOException e) {
            throw new UncheckedIOException(name, e);
        }
    }

    private void addType(JsonNode entry, String how) {
        JsonNode type = entry.has("type") ? entry.path("type") : entry.path("name");
        if (type.has("proxy")) {
            proxies.add(joined(type.path("proxy")));
            return;
        }
        Set<String> attributes = types.computeIfAbsent(type.asText(), key -> new HashSet<>());
        attributes.add(how);
        entry.properties().stream()
                .filter(each -> each.getValue().asBoolean())
                .forEach(each -> attributes.add(each.getKey()));
        if (entry.has("methods")) {
            attributes.addAll(List.of("allDeclaredConstructors", "allPublicConstructors"));
            attributes.addAll(List.of("allDeclaredMethods", "allPublicMethods"));
        }
        if (entry.has("fields")) {
            attributes.addAll(List.of("allDeclaredFields", "allPublicFields"));
        }
    }

    private void addResource(JsonNode entry) {
        if (entry.has("pattern")) {
            resources.add(Pattern.compile(entry.path("pattern").asText()).asMatchPredicate());
        } else {
            String glob = entry.path("glob").asText();
            resources.add(Pattern.compile(Arrays.stream(glob.split("\\*\\*", -1))
                            .map(part -> Arrays.stream(part.split("\\*", -1))
                                    .map(Pattern::quote)
                                    .reduce((a, b) -> a + "[^/]*" + b)
                                    .orElse(""))
                            .reduce((a, b) -> a + ".*" + b)
                            .orElse(""))
                    .asMatchPredicate());
        }
    }

    private static String joined(JsonNode names) {
        return String.join(",", names.valueStream().map(JsonNode::asText).toList());
    }

    /** Of an entry of the list of C functions, as {@link Access#signature} writes it. */
    static String signature(JsonNode downcall) {
        Map<String, String> options = new TreeMap<>();
        downcall.path("options")
                .properties()
                .forEach(each -> options.put(each.getKey(), each.getValue().asText()));
        StringBuilder text = new StringBuilder(downcall.path("returnType").asText("void"))
                .append('(')
                .append(joined(downcall.path("parameterTypes")))
                .append(')');
        options.forEach(
                (name, value) -> text.append(';').append(name).append('=').append(value));
        return text.toString();
    }

    /** Whether a program that is built with this may do it. */
    boolean covers(Access access) {
        return switch (access.kind()) {
            case Access.RESOURCE -> resources.stream().anyMatch(each -> each.test(access.name()));
            case Access.PROXY -> proxies.contains(access.name());
            case Access.DOWNCALL -> functions.contains(access.name());
            case Access.TYPE -> types.containsKey(access.name());
            default -> types.getOrDefault(access.name(), Set.of()).contains(access.kind());
        };
    }

    /** The types that are named. */
    Set<String> types() {
        return new TreeSet<>(types.keySet());
    }

    /** A file that covers these. */
    static String write(Iterable<Access> accesses) {
        Map<String, ObjectNode> reflection = new TreeMap<>();
        Map<String, ObjectNode> resources = new TreeMap<>();
        Map<String, ObjectNode> downcalls = new TreeMap<>();
        for (Access access : accesses) {
            String name = access.name();
            switch (access.kind()) {
                case Access.RESOURCE ->
                    resources
                            .computeIfAbsent(name, key -> JSON.createObjectNode())
                            .put("glob", name);
                case Access.DOWNCALL -> downcalls.computeIfAbsent(name, ReachabilityMetadata::downcall);
                case Access.PROXY -> {
                    ObjectNode type = JSON.createObjectNode();
                    Arrays.stream(name.split(",", -1)).forEach(type.putArray("proxy")::add);
                    reflection
                            .computeIfAbsent(name + " (proxy)", key -> JSON.createObjectNode())
                            .set("type", type);
                }
                default -> {
                    ObjectNode entry = reflection.computeIfAbsent(
                            name, key -> JSON.createObjectNode().put("type", name));
                    if (!access.kind().equals(Access.TYPE)) {
                        entry.put(access.kind(), true);
                    }
                    if (access.kind().equals(Access.JNI)) {
                        // Native code names the members that it wants in no list that could be read.
                        List.of("allDeclaredConstructors", "allDeclaredMethods", "allDeclaredFields")
                                .forEach(each -> entry.put(each, true));
                    }
                }
            }
        }
        ObjectNode root = JSON.createObjectNode();
        root.put("comment", "Written by ReachabilityIT: run it with -Dhydra.metadata.update");
        root.putArray("reflection").addAll(reflection.values());
        root.putArray("resources").addAll(resources.values());
        root.putObject("foreign").putArray("downcalls").addAll(downcalls.values());
        try {
            return JSON.writeValueAsString(root) + "\n";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ObjectNode downcall(String signature) {
        String[] parts = signature.split(";", -1);
        String[] function = parts[0].split("[(,)]", 0);
        ObjectNode entry = JSON.createObjectNode().put("returnType", function[0]);
        ArrayNode parameters = entry.putArray("parameterTypes");
        Arrays.stream(function).skip(1).forEach(parameters::add);
        for (String option : List.of(parts).subList(1, parts.length)) {
            String[] words = option.split("=", -1);
            ObjectNode options = entry.withObject("options");
            if (words[1].equals("true")) {
                options.put(words[0], true);
            } else {
                options.put(words[0], Integer.parseInt(words[1]));
            }
        }
        return entry;
    }
}
