package dev.hydrallm.nativeimage;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the check of a native build's metadata sees and what it misses. */
class ReachabilityMetadataTest {
    private static final List<Access> ACCESSES = List.of(
            access(Access.TYPE, "a.Named"),
            access("allDeclaredMethods", "a.Bean"),
            access("allPublicFields", "a.Bean"),
            access(Access.JNI, "a.Span"),
            access(Access.PROXY, "a.First,a.Second"),
            access(Access.RESOURCE, "a/text"),
            access(Access.DOWNCALL, "jint(void*,jint,jint);captureCallState=true;firstVariadicArg=2"),
            access(Access.DOWNCALL, "void()"));

    private static Access access(String kind, String name) {
        return new Access(kind, name, "a.Caller");
    }

    private static ReachabilityMetadata read(String file, String text) {
        ReachabilityMetadata metadata = new ReachabilityMetadata();
        metadata.add(file, text);
        return metadata;
    }

    @Test
    void whatIsWrittenCoversWhatItWasWrittenFor() {
        ReachabilityMetadata written =
                read("META-INF/x/reachability-metadata.json", ReachabilityMetadata.write(ACCESSES));
        assertThat(ACCESSES).allMatch(written::covers);
        assertThat(List.of(
                        access(Access.TYPE, "a.Other"),
                        access("allDeclaredFields", "a.Bean"),
                        access(Access.JNI, "a.Bean"),
                        access(Access.PROXY, "a.First"),
                        access(Access.RESOURCE, "a/text/more"),
                        access(Access.DOWNCALL, "jint(void*,jint,jint)")))
                .noneMatch(written::covers);
    }

    @Test
    void eachEntryOfTheProgramsMetadataIsMissedWhenItIsGone() throws IOException {
        String text = Files.readString(
                Path.of("src/main/resources/META-INF/native-image/dev.hydrallm/hydra/reachability-metadata.json"));
        ObjectMapper mapper = new ObjectMapper();
        for (String list : List.of("/reflection", "/resources", "/foreign/downcalls")) {
            int entries = mapper.readTree(text).at(list).size();
            assertThat(entries).isPositive();
            for (int i = 0; i < entries; i++) {
                JsonNode less = mapper.readTree(text);
                JsonNode gone = ((ArrayNode) less.at(list)).remove(i);
                Access access = switch (list) {
                    case "/resources" ->
                        access(Access.RESOURCE, gone.path("glob").asText());
                    case "/foreign/downcalls" -> access(Access.DOWNCALL, ReachabilityMetadata.signature(gone));
                    default ->
                        gone.path("type").isTextual()
                                ? access(Access.TYPE, gone.path("type").asText())
                                : access(Access.PROXY, gone.at("/type/proxy/0").asText());
                };
                assertThat(read("reachability-metadata.json", text).covers(access))
                        .as(access.toString())
                        .isTrue();
                assertThat(read("reachability-metadata.json", less.toString()).covers(access))
                        .as(access.toString())
                        .isFalse();
            }
        }
    }

    @Test
    void theFormatsOfBeforeAreReadToo() {
        ReachabilityMetadata types = read("x/reflect-config.json", """
                [{"name": "a.All", "allPublicMethods": true}, {"name": "a.Some", "methods": [{"name": "of"}]}]""");
        assertThat(types.covers(access("allPublicMethods", "a.All"))).isTrue();
        assertThat(types.covers(access("allDeclaredMethods", "a.All"))).isFalse();
        assertThat(types.covers(access("allDeclaredMethods", "a.Some"))).isTrue();
        assertThat(types.covers(access(Access.JNI, "a.All"))).isFalse();
        assertThat(read("jni-config.json", "[{\"name\": \"a.All\"}]").covers(access(Access.JNI, "a.All")))
                .isTrue();
        for (String text : List.of(
                "{\"resources\": [{\"pattern\": \"lib/.*[.]so\"}]}",
                "{\"resources\": {\"includes\": [{\"pattern\": \"\\\\Qlib/a.so\\\\E\"}]}}",
                "{\"resources\": [{\"glob\": \"lib/*\"}]}")) {
            ReachabilityMetadata resources = read("resource-config.json", text);
            assertThat(resources.covers(access(Access.RESOURCE, "lib/a.so")))
                    .as(text)
                    .isTrue();
            assertThat(resources.covers(access(Access.RESOURCE, "other/lib/a.so")))
                    .as(text)
                    .isFalse();
        }
        assertThat(read("proxy-config.json", "[[\"a.First\", \"a.Second\"]]")
                        .covers(access(Access.PROXY, "a.First,a.Second")))
                .isTrue();
    }

    @Test
    void aFunctionIsNamedAsTheBuilderNamesIt() {
        FunctionDescriptor open = FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG);
        assertThat(Access.signature(
                        open,
                        List.of(
                                Linker.Option.firstVariadicArg(2).toString(),
                                Linker.Option.captureCallState("errno").toString())))
                .isEqualTo("jint(void*,jint,jlong);captureCallState=true;firstVariadicArg=2");
        assertThat(Access.signature(FunctionDescriptor.ofVoid(), List.of())).isEqualTo("void()");
    }
}
