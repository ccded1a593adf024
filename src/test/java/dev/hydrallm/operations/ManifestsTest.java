package dev.hydrallm.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Stream;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/** The manifests agree with each other, with the image and with the server's routes. */
final class ManifestsTest {
    private static final Path KNATIVE = Path.of("knative", "service.yaml");
    private static final Path DEPLOYMENT = Path.of("k8s", "deployment.yaml");
    private static final Path SERVICE = Path.of("k8s", "service.yaml");
    private static final Path CLAIM = Path.of("k8s", "models", "claim.yaml");

    static Stream<Path> manifests() throws IOException {
        try (Stream<Path> k8s = Files.walk(Path.of("k8s"));
                Stream<Path> knative = Files.walk(Path.of("knative"))) {
            return Stream.concat(k8s, knative).filter(file -> file.toString().endsWith(".yaml")).toList().stream();
        }
    }

    static Stream<Path> pods() {
        return Stream.of(KNATIVE, DEPLOYMENT);
    }

    @ParameterizedTest
    @MethodSource("manifests")
    void aFileHoldsOneObjectOfAKnownKind(Path file) {
        Map<?, ?> object = read(file);
        assertThat(object.get("kind")).isIn("Service", "Deployment", "PersistentVolumeClaim", "Kustomization");
        assertThat(object.get("apiVersion")).isNotNull();
    }

    @ParameterizedTest
    @MethodSource("manifests")
    void aKustomizationNamesOnlyFilesThatExist(Path file) {
        if ("Kustomization".equals(read(file).get("kind"))) {
            List<?> resources = (List<?>) at(read(file), "resources");
            assertThat(resources)
                    .allSatisfy(resource -> assertThat(file.resolveSibling(String.valueOf(resource)))
                            .exists());
        }
    }

    @ParameterizedTest
    @MethodSource("pods")
    void theProbesAskTheServersOwnRoutes(Path file) {
        Object container = container(file);
        assertThat(at(container, "startupProbe", "httpGet", "path")).isEqualTo("/q/health/started");
        assertThat(at(container, "readinessProbe", "httpGet", "path")).isEqualTo("/q/health/ready");
        assertThat(at(container, "livenessProbe", "httpGet", "path")).isEqualTo("/q/health/live");
        // A model may take minutes to load from a cold disk; nobody may kill it meanwhile.
        assertThat((int) at(container, "startupProbe", "failureThreshold")
                        * (int) at(container, "startupProbe", "periodSeconds"))
                .isGreaterThanOrEqualTo(600);
    }

    @ParameterizedTest
    @MethodSource("pods")
    void aPodGetsOneGpuAndABoundOnMemory(Path file) {
        assertThat(at(container(file), "resources", "limits", "nvidia.com/gpu")).isEqualTo("1");
        assertThat(at(container(file), "resources", "limits", "memory")).isNotNull();
        assertThat(at(container(file), "resources", "requests", "cpu")).isNotNull();
    }

    @ParameterizedTest
    @MethodSource("pods")
    void aPodHasNoPrivilegesAndAReadOnlyRoot(Path file) {
        Object security = at(container(file), "securityContext");
        assertThat(at(security, "readOnlyRootFilesystem")).isEqualTo(true);
        assertThat(at(security, "allowPrivilegeEscalation")).isEqualTo(false);
        assertThat(at(security, "capabilities", "drop")).isEqualTo(List.of("ALL"));
        // Kubernetes keeps the user at the pod, Knative only at the container.
        Object user = file.equals(KNATIVE) ? security : at(pod(file), "securityContext");
        assertThat(at(user, "runAsNonRoot")).isEqualTo(true);
        assertThat(at(user, "seccompProfile", "type")).isEqualTo("RuntimeDefault");
        assertThat(application().getProperty("quarkus.jib.user")).startsWith(at(user, "runAsUser") + ":");
    }

    @ParameterizedTest
    @MethodSource("pods")
    void whatTheImageWritesIsMounted(Path file) {
        List<Object> paths = list(container(file), "volumeMounts").stream()
                .map(mount -> at(mount, "mountPath"))
                .toList();
        assertThat(paths).contains("/tmp");
        assertThat(application().getProperty("quarkus.jib.environment-variables.XDG_CACHE_HOME"))
                .startsWith("/tmp/");
        List<Object> mounts = list(container(file), "volumeMounts").stream()
                .map(mount -> at(mount, "name"))
                .toList();
        List<Object> volumes = list(pod(file), "volumes").stream()
                .map(volume -> at(volume, "name"))
                .toList();
        assertThat(volumes).containsExactlyInAnyOrderElementsOf(mounts);
    }

    @ParameterizedTest
    @MethodSource("pods")
    void theImageAndThePortAreTheBuilds(Path file) throws IOException {
        String version = Files.readString(Path.of("pom.xml")).replaceFirst("(?s).*?<version>([^<]+)</version>.*", "$1");
        assertThat(at(container(file), "image"))
                .isEqualTo(application().getProperty("quarkus.container-image.group")
                        + "/"
                        + application().getProperty("quarkus.application.name")
                        + ":"
                        + version);
        assertThat(String.valueOf(at(list(container(file), "ports").getFirst(), "containerPort")))
                .isEqualTo(application().getProperty("quarkus.http.port"));
    }

    @Test
    void knativeSendsAPodAsManyRequestsAsItHasSlots() {
        Object template = at(read(KNATIVE), "spec", "template");
        String slots = String.valueOf(at(template, "spec", "containerConcurrency"));
        assertThat(at(template, "metadata", "annotations", "autoscaling.knative.dev/target"))
                .isEqualTo(slots);
        assertThat(at(template, "metadata", "annotations", "autoscaling.knative.dev/target-utilization-percentage"))
                .isEqualTo("100");
        assertThat(list(container(KNATIVE), "env")).contains(Map.of("name", "HYDRA_SLOTS", "value", slots));
        assertThat((int) at(template, "spec", "timeoutSeconds"))
                .isGreaterThanOrEqualTo((int) at(template, "spec", "responseStartTimeoutSeconds"))
                .isLessThanOrEqualTo(600);
    }

    @Test
    void knativesBaseNeedsNoFeatureFlag() {
        assertThat(pod(KNATIVE))
                .asInstanceOf(InstanceOfAssertFactories.MAP)
                .doesNotContainKeys(
                        "nodeSelector", "tolerations", "runtimeClassName", "initContainers", "securityContext");
        assertThat(list(pod(KNATIVE), "volumes"))
                .allSatisfy(volume -> assertThat(((Map<?, ?>) volume).keySet()).isEqualTo(Set.of("name", "emptyDir")));
    }

    @Test
    void theServiceFindsThePodsAndTheirPort() {
        Object labels = at(read(DEPLOYMENT), "spec", "template", "metadata", "labels");
        assertThat(at(read(SERVICE), "spec", "selector")).isEqualTo(labels);
        assertThat(at(read(DEPLOYMENT), "spec", "selector", "matchLabels")).isEqualTo(labels);
        assertThat(at(list(at(read(SERVICE), "spec"), "ports").getFirst(), "targetPort"))
                .isEqualTo(at(list(container(DEPLOYMENT), "ports").getFirst(), "name"));
    }

    @Test
    void modelsComeFromTheClaim() throws IOException {
        Object claim = at(read(CLAIM), "metadata", "name");
        assertThat(list(pod(DEPLOYMENT), "volumes"))
                .contains(Map.of("name", "models", "persistentVolumeClaim", Map.of("claimName", claim)));
        assertThat(Files.readString(Path.of("knative", "model-volume", "kustomization.yaml")))
                .contains("claimName: " + claim)
                .contains("kubernetes.podspec-persistent-volume-claim");
    }

    @Test
    void theImageBringsTheDemoModel() throws IOException {
        String home = application().getProperty("quarkus.jib.environment-variables.HYDRA_HOME");
        Path inImage = Path.of("src/main/jib" + home, "models", "demo");
        // Links to files, one by one: the image builder does not follow a link to a folder.
        try (Stream<Path> files = Files.list(Path.of("models", "demo"))) {
            assertThat(files)
                    .isNotEmpty()
                    .allSatisfy(file -> assertThat(
                                    inImage.resolve(file.getFileName()).toRealPath())
                            .isEqualTo(file.toRealPath()));
        }
        assertThat(Files.isSymbolicLink(inImage)).isFalse();
    }

    @Test
    void theImageStartsAsItsCacheWasTrained() {
        List<String> start = words("quarkus.jib.jvm-entrypoint");
        // Java refuses a cache that was made with another collector or another class path.
        assertThat(start).contains("-XX:AOTCache=app.aot").containsSubsequence("-jar", "quarkus-run.jar", "serve");
        assertThat(words("quarkus.package.jar.aot.additional-recording-args"))
                .filteredOn(word -> !word.startsWith("-Dhydra.home="))
                .hasSizeGreaterThan(1)
                .isSubsetOf(start);
        assertThat(application())
                .containsEntry("quarkus.package.jar.type", "aot-jar")
                .containsEntry("quarkus.jib.use-current-timestamp-file-modification", "true");
    }

    private static List<String> words(String key) {
        return List.of(application().getProperty(key).split(",", -1));
    }

    private static Object container(Path file) {
        return list(pod(file), "containers").getFirst();
    }

    private static Object pod(Path file) {
        return at(read(file), "spec", "template", "spec");
    }

    private static Map<?, ?> read(Path file) {
        try (Reader text = Files.newBufferedReader(file)) {
            return new Yaml(new SafeConstructor(new LoaderOptions())).load(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Properties application() {
        Properties properties = new Properties();
        try (Reader text = Files.newBufferedReader(Path.of("src/main/resources/application.properties"))) {
            properties.load(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties;
    }

    private static Object at(Object from, String... keys) {
        Object here = from;
        for (String key : keys) {
            assertThat(here).as("the parent of %s", key).isInstanceOf(Map.class);
            here = Objects.requireNonNull(((Map<?, ?>) here).get(key), () -> key + " is missing");
        }
        return here;
    }

    @SuppressWarnings("unchecked")
    private static List<Object> list(Object from, String key) {
        return (List<Object>) at(from, key);
    }
}
