package dev.hydrallm.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Uploads files as one commit, as huggingface_hub does: the hub says which of them git holds and which are kept beside it (LFS);
 * the latter go where it says, unless they are there already, and then the commit names all. Nothing is seen of an upload before its
 * commit.
 */
final class Push {
    private static final String LFS = "application/vnd.git-lfs+json";
    private static final String JSON_TYPE = "application/json";
    private static final int SAMPLE = 512;
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final UploadClient client;
    private final Repository repository;
    private final Patience patience;
    private final Hub.Listener listener;
    private final Map<String, Path> files;
    private long total;
    private long sent;

    /** @param files by their names in the repository */
    Push(
            UploadClient client,
            Repository repository,
            Patience patience,
            Hub.Listener listener,
            Map<String, Path> files) {
        this.client = client;
        this.repository = repository;
        this.patience = patience;
        this.listener = listener;
        this.files = files;
    }

    /** A file that is kept beside git. */
    private record Large(String name, Path file, String sha256, long size) {}

    /**
     * Creates the repository and the branch if need be, and uploads.
     *
     * @return the commit's address
     */
    String run(Hub.Visibility visibility, String message) throws IOException {
        create(visibility);
        if (!repository.revision().equals(Repository.MAIN)) {
            tried(
                    "the branch " + repository.revision(),
                    api("/branch/" + Connection.encode(repository.revision())),
                    JSON_TYPE,
                    JSON.createObjectNode(),
                    Set.of(409));
        }
        List<Large> large = new ArrayList<>();
        List<String> regular = new ArrayList<>();
        for (Map.Entry<String, Path> file : files.entrySet()) {
            if (isLarge(file.getKey(), file.getValue())) {
                large.add(new Large(
                        file.getKey(),
                        file.getValue(),
                        ContentHash.ofLarge(file.getValue()).hex(),
                        Files.size(file.getValue())));
            } else {
                regular.add(file.getKey());
            }
        }
        total = large.stream().mapToLong(Large::size).sum();
        for (Large each : large) {
            new Backoff(repository.name() + "/" + each.name(), patience, listener::notice).untilItWorks(() -> {
                upload(each);
                return each;
            });
        }
        return commit(message, regular, large);
    }

    private void create(Hub.Visibility visibility) throws IOException {
        int slash = repository.name().indexOf('/');
        ObjectNode body = JSON.createObjectNode();
        body.put("type", "model");
        body.put("organization", repository.name().substring(0, slash));
        body.put("name", repository.name().substring(slash + 1));
        body.put("private", visibility == Hub.Visibility.PRIVATE);
        UploadClient.Answer answer =
                tried(repository.name(), client.address("/api/repos/create"), JSON_TYPE, body, Set.of(409));
        listener.notice((answer.status() == 409 ? "adding to " : "created ") + repository.name());
    }

    private boolean isLarge(String name, Path file) throws IOException {
        ObjectNode asked = JSON.createObjectNode();
        ObjectNode one = asked.putArray("files").addObject();
        one.put("path", name);
        one.put("size", Files.size(file));
        try (InputStream in = Files.newInputStream(file)) {
            one.put("sample", Base64.getEncoder().encodeToString(in.readNBytes(SAMPLE)));
        }
        JsonNode answer = tried(
                        name, api("/preupload/" + Connection.encode(repository.revision())), JSON_TYPE, asked, Set.of())
                .json()
                .path("files")
                .path(0);
        if (answer.path("shouldIgnore").asBoolean()) {
            throw new HubException(repository + ": its .gitignore leaves out " + name);
        }
        return answer.path("uploadMode").asText().equals("lfs");
    }

    private void upload(Large file) throws IOException {
        long before = sent;
        ObjectNode asked = JSON.createObjectNode();
        asked.put("operation", "upload");
        asked.putArray("transfers").add("basic").add("multipart");
        asked.put("hash_algo", "sha256");
        asked.putObject("ref").put("name", repository.revision());
        asked.putArray("objects").addObject().put("oid", file.sha256()).put("size", file.size());
        URI batch = client.address("/" + repository.name() + ".git/info/lfs/objects/batch");
        JsonNode object = client.post(batch, LFS, JSON.writeValueAsBytes(asked), Set.of())
                .json()
                .path("objects")
                .path(0);
        if (object.has("error")) {
            throw new HubException(repository + ": " + file.name() + " is not taken: "
                    + object.path("error").path("message").asText("no reason given"));
        }
        try {
            JsonNode upload = object.path("actions").path("upload");
            if (!upload.isMissingNode()) {
                send(file, upload);
                verify(file, object.path("actions").path("verify"));
            } else {
                move((int) Math.min(Integer.MAX_VALUE, file.size()));
            }
        } catch (IOException e) {
            sent = before;
            throw e;
        }
    }

    private void send(Large file, JsonNode upload) throws IOException {
        URI address = URI.create(upload.path("href").asText());
        Map<String, String> headers = new HashMap<>();
        upload.path("header")
                .properties()
                .forEach(
                        header -> headers.put(header.getKey(), header.getValue().asText()));
        String chunkSize = headers.remove("chunk_size");
        if (chunkSize == null) {
            client.put(address, headers, new UploadClient.Slice(file.file(), 0, file.size()), this::move);
            return;
        }
        long chunk = Long.parseLong(chunkSize);
        ObjectNode done = JSON.createObjectNode();
        done.put("oid", file.sha256());
        ArrayNode parts = done.putArray("parts");
        long count = Math.ceilDiv(file.size(), chunk);
        for (int part = 1; part <= count; part++) {
            String where = partAddress(headers, part);
            long from = (part - 1) * chunk;
            UploadClient.Slice slice = new UploadClient.Slice(file.file(), from, Math.min(chunk, file.size() - from));
            String name = repository.name() + "/" + file.name() + " part " + part;
            long before = sent;
            UploadClient.Answer answer = new Backoff(name, patience, listener::notice).untilItWorks(() -> {
                sent = before;
                return client.put(URI.create(where), Map.of(), slice, this::move);
            });
            parts.addObject()
                    .put("partNumber", part)
                    .put("etag", answer.etag().orElseThrow(() -> new IOException(name + " came back without an etag")));
        }
        client.post(address, LFS, JSON.writeValueAsBytes(done), Set.of());
    }

    /** Parts are numbered with any number of leading zeros. */
    private String partAddress(Map<String, String> headers, int part) {
        return headers.entrySet().stream()
                .filter(header -> header.getKey().matches("0*" + part))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElseThrow(() -> new HubException(repository + ": the hub names no place for part " + part));
    }

    private void verify(Large file, JsonNode verify) throws IOException {
        if (!verify.isMissingNode()) {
            ObjectNode asked = JSON.createObjectNode();
            asked.put("oid", file.sha256());
            asked.put("size", file.size());
            client.post(URI.create(verify.path("href").asText()), LFS, JSON.writeValueAsBytes(asked), Set.of());
        }
    }

    private String commit(String message, List<String> regular, List<Large> large) throws IOException {
        ByteArrayOutputStream lines = new ByteArrayOutputStream();
        ObjectNode header = JSON.createObjectNode();
        header.put("summary", message);
        header.put("description", "");
        line(lines, "header", header);
        for (String name : regular) {
            ObjectNode value = JSON.createObjectNode();
            value.put("path", name);
            value.put("encoding", "base64");
            value.put(
                    "content",
                    Base64.getEncoder().encodeToString(Files.readAllBytes(files.getOrDefault(name, Path.of(name)))));
            line(lines, "file", value);
        }
        for (Large each : large) {
            ObjectNode value = JSON.createObjectNode();
            value.put("path", each.name());
            value.put("algo", "sha256");
            value.put("oid", each.sha256());
            value.put("size", each.size());
            line(lines, "lfsFile", value);
        }
        URI address = api("/commit/" + Connection.encode(repository.revision()));
        JsonNode answer = new Backoff(repository.name(), patience, listener::notice)
                .untilItWorks(() -> client.post(address, "application/x-ndjson", lines.toByteArray(), Set.of()))
                .json();
        String url = answer.path("commitUrl").asText("");
        if (url.isEmpty()) {
            throw new HubException(repository + ": the hub does not say that it made a commit");
        }
        return url;
    }

    private static void line(ByteArrayOutputStream lines, String key, ObjectNode value) throws IOException {
        ObjectNode line = JSON.createObjectNode();
        line.put("key", key);
        line.set("value", value);
        lines.writeBytes(JSON.writeValueAsBytes(line));
        lines.write('\n');
    }

    private UploadClient.Answer tried(String what, URI address, String type, ObjectNode body, Set<Integer> accepted)
            throws IOException {
        byte[] bytes = JSON.writeValueAsBytes(body);
        return new Backoff(what, patience, listener::notice)
                .untilItWorks(() -> client.post(address, type, bytes, accepted));
    }

    private void move(int bytes) {
        sent += bytes;
        listener.progress(Math.min(sent, total), total, sent);
    }

    private URI api(String path) {
        return client.address("/api/models/" + repository.name() + path);
    }
}
