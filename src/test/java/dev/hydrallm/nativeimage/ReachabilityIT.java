package dev.hydrallm.nativeimage;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The metadata for a native build name every class, resource and C function that the packaged program looked up by name
 * while it served, generated, packed, pulled and chatted, and every class that its native libraries name.
 *
 * <p>What Quarkus and the libraries of its extensions look up among themselves is left to the extensions: their build
 * steps register it, and much of it happens while a native image is built. What they look up of ours (a record that
 * Jackson writes, an option that picocli sets) is not left to them. Classes that Quarkus generates are its own.
 */
@Timeout(180)
class ReachabilityIT {
    private static final Path PROGRAM = Path.of("target/quarkus-app").toAbsolutePath();
    private static final Path METADATA =
            Path.of("src/main/resources/META-INF/native-image/dev.hydrallm/hydra/reachability-metadata.json");

    /** Packages of Quarkus, its extensions, and the libraries that these bring. */
    private static final List<String> EXTENSIONS = List.of(
            "com.aayushatharva.",
            "com.fasterxml.jackson.",
            "io.micrometer.",
            "io.netty.",
            "io.prometheus.",
            "io.quarkus.",
            "io.smallrye.",
            "io.vertx.",
            "jakarta.",
            "org.eclipse.microprofile.",
            "org.jboss.",
            "org.slf4j.",
            "picocli.");

    @TempDir
    static Path folder;

    @Test
    void theMetadataNameWhateverTheProgramLookedUp() throws Exception {
        ProgramFiles files = new ProgramFiles(PROGRAM);
        Map<String, Access> needed = new TreeMap<>();
        Stream.of(RecordedRuns.of(PROGRAM, folder), files.natives(), files.resources())
                .flatMap(List::stream)
                .filter(access -> !access.caller().startsWith(CommandTour.class.getPackageName()))
                .flatMap(access -> found(access, files))
                .filter(access -> !files.metadata().covers(access))
                .forEach(access -> needed.putIfAbsent(access.kind() + " " + access.name(), access));
        if (System.getProperty("hydra.metadata.update") != null) {
            Files.createDirectories(METADATA.getParent());
            Files.writeString(METADATA, ReachabilityMetadata.write(needed.values()));
        }
        ReachabilityMetadata ours = new ReachabilityMetadata();
        ours.add(METADATA.toString(), Files.readString(METADATA));
        assertThat(needed.values())
                .filteredOn(access -> !ours.covers(access))
                .as("missing in the metadata; this test adds them with -Dhydra.metadata.update")
                .isEmpty();
        assertThat(ours.types())
                .filteredOn(type -> !files.hasClass(type))
                .as("named in the metadata and gone")
                .isEmpty();
        // A recorder that records nothing would let everything pass.
        assertThat(needed.values()).extracting(Access::kind).contains(Access.RESOURCE, Access.DOWNCALL, Access.JNI);
        assertThat(needed).containsKey("allDeclaredConstructors dev.hydrallm.model.Manifest");
    }

    /** What of it exists and is ours to name; a service is its file and its implementations. */
    private static Stream<Access> found(Access access, ProgramFiles files) {
        if (access.kind().equals(Access.JNI)) {
            return Stream.of(access).filter(each -> !extension(each.caller()));
        }
        if (access.kind().equals(Access.SERVICE)) {
            String file = "META-INF/services/" + access.name();
            return Stream.concat(
                            Stream.of(new Access(Access.RESOURCE, file, access.caller())),
                            files.providers(access.name()).stream()
                                    .map(each -> new Access("allDeclaredConstructors", each, access.caller())))
                    .flatMap(each -> found(each, files));
        }
        return switch (access.kind()) {
            case Access.DOWNCALL, Access.PROXY -> Stream.of(access);
            case Access.RESOURCE ->
                Stream.of(access)
                        .filter(each ->
                                files.hasResource(each.name()) && !each.name().endsWith("/"))
                        .filter(each -> !(extensionCalls(each, files)
                                && extension(each.name()
                                        .replaceFirst("META-INF/services/", "")
                                        .replace('/', '.'))));
            default ->
                withPermitted(access, files)
                        .filter(each -> files.hasClass(each.name().replace("[]", "")))
                        .filter(each -> !(extensionCalls(each, files) && (extension(each.name()) || jdk(each.name()))));
        };
    }

    /** A sealed type of ours stands for those that it permits: which of them a run meets is chance. */
    private static Stream<Access> withPermitted(Access access, ProgramFiles files) {
        Stream<Access> permitted =
                access.name().startsWith("dev.hydrallm.") && access.kind().startsWith("all")
                        ? files.permitted(access.name()).stream()
                                .flatMap(each -> Stream.of("Constructors", "Methods", "Fields")
                                        .map(members -> new Access("allDeclared" + members, each, access.caller())))
                        : Stream.of();
        return Stream.concat(Stream.of(access), permitted);
    }

    /** Generated classes are Quarkus's, or proxies. */
    private static boolean extensionCalls(Access access, ProgramFiles files) {
        return extension(access.caller()) || !files.hasClass(access.caller());
    }

    private static boolean extension(String name) {
        return EXTENSIONS.stream().anyMatch(name::startsWith);
    }

    private static boolean jdk(String name) {
        return Stream.of("java.", "javax.", "jdk.", "sun.", "com.sun.management.")
                .anyMatch(name::startsWith);
    }
}
