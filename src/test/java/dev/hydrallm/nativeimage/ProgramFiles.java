package dev.hydrallm.nativeimage;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What lies in the jars of the packaged program, but for what Quarkus generated. */
final class ProgramFiles {
    /** libtorch itself knows nothing of Java. */
    private static final long LARGEST_JNI_LIBRARY = 64 << 20;

    private static final Pattern CLASS_IN_BINARY = Pattern.compile("(?:ai/djl|com/sun/jna|java)/[A-Za-z0-9_$/]+");

    private final Set<String> names = new HashSet<>();
    private final Map<String, List<String>> providers = new HashMap<>();
    private final Map<String, List<String>> permitted = new HashMap<>();
    private final List<Access> resources = new ArrayList<>();
    private final List<Access> natives = new ArrayList<>();
    private final ReachabilityMetadata metadata = new ReachabilityMetadata();

    /** Reads the jars below a folder. */
    ProgramFiles(Path program) throws IOException {
        List<Path> jars;
        try (Stream<Path> files = Files.walk(program)) {
            jars = files.filter(file -> file.toString().endsWith(".jar")
                            && !program.relativize(file).startsWith("quarkus"))
                    .toList();
        }
        for (Path jar : jars) {
            try (JarFile open = new JarFile(jar.toFile())) {
                open.stream().map(JarEntry::getName).forEach(names::add);
            }
        }
        for (Path jar : jars) {
            try (JarFile open = new JarFile(jar.toFile())) {
                for (JarEntry entry : open.stream().toList()) {
                    read(open, entry, program.relativize(jar).startsWith("app"));
                }
            }
        }
    }

    private void read(JarFile jar, JarEntry entry, boolean ours) throws IOException {
        String name = entry.getName();
        if (name.startsWith("META-INF/services/") && !entry.isDirectory()) {
            providers
                    .computeIfAbsent(name.substring(name.lastIndexOf('/') + 1), key -> new ArrayList<>())
                    .addAll(text(jar, entry)
                            .lines()
                            .map(line -> line.replaceAll("#.*", "").strip())
                            .filter(line -> !line.isEmpty())
                            .toList());
        } else if (name.startsWith("META-INF/native-image/") && name.endsWith(".json") && !ours) {
            metadata.add(name, text(jar, entry));
        } else if (ours && name.startsWith("dev/hydrallm/") && !name.endsWith("/")) {
            if (name.endsWith(".class")) {
                permitted.put(
                        name.substring(0, name.length() - ".class".length()).replace('/', '.'), permitted(jar, entry));
            } else {
                resources.add(new Access(Access.RESOURCE, name, "the program"));
            }
        } else if (name.endsWith(".so") && forThisPlatform(name) && entry.getSize() < LARGEST_JNI_LIBRARY) {
            String library = Path.of(jar.getName()).getFileName() + "!" + name;
            Set<String> types = new HashSet<>();
            Matcher found = CLASS_IN_BINARY.matcher(text(jar, entry));
            while (found.find()) {
                longestClass(found.group()).ifPresent(types::add);
            }
            types.forEach(type -> natives.add(new Access(Access.JNI, type, library)));
            if (!types.isEmpty()) {
                natives.add(new Access(Access.RESOURCE, name, library));
            }
        }
    }

    private static boolean forThisPlatform(String name) {
        return name.matches(".*linux-x86[_-]64/(cpu/)?[^/]*");
    }

    /** In a library strings may follow each other without an end. */
    private Optional<String> longestClass(String text) {
        return Stream.iterate(text, each -> !each.isEmpty(), each -> each.substring(0, each.length() - 1))
                .map(each -> each.replace('/', '.'))
                .filter(this::hasClass)
                .findFirst();
    }

    private static List<String> permitted(JarFile jar, JarEntry entry) throws IOException {
        try (InputStream in = jar.getInputStream(entry)) {
            return ClassFile.of().parse(in.readAllBytes()).findAttribute(Attributes.permittedSubclasses()).stream()
                    .flatMap(all -> all.permittedSubclasses().stream())
                    .map(each -> each.asInternalName().replace('/', '.'))
                    .toList();
        }
    }

    private static String text(JarFile jar, JarEntry entry) throws IOException {
        try (InputStream in = jar.getInputStream(entry)) {
            // Every byte is a character: names in binaries are ASCII.
            return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
        }
    }

    /** What the builder is told by the program's libraries. */
    ReachabilityMetadata metadata() {
        return metadata;
    }

    /** The native libraries, and the classes whose names stand in them: JNI finds classes by name. */
    List<Access> natives() {
        return natives;
    }

    /** What lies beside the program's own classes: all of it, since a run needs only some. */
    List<Access> resources() {
        return resources;
    }

    /** The classes that a sealed class of the program's own permits. */
    List<String> permitted(String type) {
        return permitted.getOrDefault(type, List.of());
    }

    /** The implementations that a service's file names. */
    List<String> providers(String service) {
        return providers.getOrDefault(service, List.of());
    }

    boolean hasResource(String name) {
        return names.contains(name);
    }

    /** Whether a class is the program's or the JDK's. */
    boolean hasClass(String name) {
        return names.contains(name.replace('.', '/') + ".class")
                || ClassLoader.getPlatformClassLoader().getResource(name.replace('.', '/') + ".class") != null;
    }
}
