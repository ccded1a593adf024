package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.evaluation.Summary;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.testing.TinyCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a person sees who looks for a draft tree, or measures what one brings. */
class TreeCommandTest {
    private static final Path DEMO = Path.of("models", "demo");
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path directory;

    private static CliRun eval(String command, Object... arguments) {
        Object[] all = new Object[arguments.length + 1];
        all[0] = command;
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        return CliRun.of("eval", all);
    }

    private static JsonNode json(CliRun run) throws IOException {
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out().lines()).hasSize(1);
        return JSON.readTree(run.out());
    }

    private Path copyOfTheDemo() throws IOException {
        Path copy = Files.createDirectory(directory.resolve("copy"));
        for (String file : List.of(Manifest.FILE, Manifest.WEIGHTS_FILE, Manifest.TOKENIZER_FILE)) {
            Files.copy(DEMO.resolve(file), copy.resolve(file));
        }
        return copy;
    }

    @Test
    void aTreeOfSoManyNodesIsGrownDrawnWrittenAndDrafted() throws IOException {
        Path pack = copyOfTheDemo();
        Path svg = directory.resolve("tree.svg");
        Path tree = directory.resolve("tree.json");
        CliRun run = eval(
                "tree",
                "--model",
                pack,
                "--nodes",
                12,
                "--no-timing",
                "--limit",
                4,
                "--tokens",
                32,
                "--svg",
                svg,
                "--output",
                tree,
                "--write",
                "--format",
                "json");
        JsonNode result = json(run);
        assertThat(run.err()).contains("Writing [", pack + " has this tree now");
        assertThat(result.path("nodes").asInt()).isEqualTo(12);
        assertThat(result.path("tokens_per_step").asDouble()).isBetween(1.5, 4.0);
        assertThat(result.path("timed")).isEmpty();
        List<List<Integer>> paths = NamedTrees.byNameOrFile(tree.toString());
        assertThat(paths).hasSize(11).first().isEqualTo(List.of(0));
        assertThat(JSON.valueToTree(paths).toString())
                .isEqualTo(result.path("paths").toString());
        assertThat(Manifest.read(pack).tree()).isEqualTo(paths);
        assertThat(Files.readString(svg)).contains("Draft tree of pycoder-hydra int8", "12 nodes, ");
        JsonNode measured = json(eval(
                "compression",
                "--model",
                pack,
                "--limit",
                4,
                "--max-tokens",
                32,
                "--temperature",
                "0,0.7",
                "--format",
                "json"));
        assertThat(measured.path("nodes").asInt()).isEqualTo(12);
        assertThat(measured.path("sets")).hasSize(2);
        for (JsonNode set : measured.path("sets")) {
            assertThat(set.path("set").asText()).isEqualTo("python");
            assertThat(set.path("texts").asInt()).isEqualTo(4);
            assertThat(set.path("tokens").asDouble() / set.path("steps").asDouble())
                    .isEqualTo(set.path("tokens_per_step").asDouble())
                    .isLessThan(set.path("as_medusa_counts").asDouble());
        }
    }

    @Test
    void theFastestIsFoundAmongTimedTrees() throws IOException {
        CliRun run = eval(
                "tree",
                "--limit",
                2,
                "--tokens",
                12,
                "--repeats",
                1,
                "--candidates",
                2,
                "--compare-with",
                "2,63",
                "--format",
                "json");
        JsonNode result = json(run);
        assertThat(run.err()).contains("Measuring steps [", "Choosing [", "Timing [");
        JsonNode choice = result.path("choice");
        assertThat(choice).extracting(line -> line.path("role").asText()).containsExactly("PLAIN", "GROWN", "GROWN");
        double chosen = 0;
        double best = 0;
        for (JsonNode line : List.of(choice.get(1), choice.get(2))) {
            double ratio = line.path("ratio").path("median").asDouble();
            best = Math.max(best, ratio);
            chosen = line.path("nodes").equals(result.path("nodes")) ? ratio : chosen;
        }
        assertThat(chosen).isEqualTo(best);
        JsonNode timed = result.path("timed");
        int nodes = result.path("nodes").asInt();
        assertThat(timed)
                .extracting(line -> line.path("role").asText())
                .containsExactly("PLAIN", "CHOSEN", "GROWN", "GROWN", "COMPARED", "COMPARED");
        assertThat(timed).extracting(line -> line.path("nodes").asInt()).containsExactly(1, nodes, nodes, nodes, 3, 64);
        assertThat(result.path("against"))
                .extracting(other -> other.path("tree").asText())
                .containsExactly("plain", "grown, what pays", "the same, whole", "first 2 paths", "first 63 paths");
        assertThat(timed).allMatch(line -> line.path("same_ids").asBoolean());
        String table = eval("tree", "--nodes", 4, "--limit", 2, "--tokens", 12, "--repeats", 1)
                .out();
        assertThat(table)
                .contains(
                        "a tree of 4 nodes", "* grown", "first 16 paths", "first 63 paths", "Against plain decoding: ")
                .doesNotContain("what it was chosen by");
    }

    @Test
    void theChosenTreeIsComparedPassByPass() {
        Summary any = Summary.of(1);
        List<TreeReport.Line> timed = List.of(
                new TreeReport.Line("plain", TreeReport.Role.PLAIN, 1, 0, 1, List.of(10.0, 20.0, 40.0), any, any, true),
                new TreeReport.Line(
                        "grown", TreeReport.Role.CHOSEN, 4, 2, 2, List.of(12.0, 26.0, 44.0), any, any, true),
                new TreeReport.Line("whole", TreeReport.Role.GROWN, 4, 2, 2, List.of(9.0, 28.6, 19.8), any, any, true),
                new TreeReport.Line(
                        "first 2 paths", TreeReport.Role.COMPARED, 3, 1, 2, List.of(10.0, 26.0, 22.0), any, any, true));
        List<TreeReport.Against> against = TreeReport.against(timed);
        assertThat(against)
                .extracting(TreeReport.Against::ratios)
                .contains(List.of(1.2, 1.3, 1.1), List.of(1.2, 1.0, 2.0));
        TreeReport report = new TreeReport("demo", 1, 0, 4, 2, List.of(List.of(0)), 2, List.of(), timed, against);
        assertThat(report.tables(Table::text))
                .contains("1.20 1.30 1.10", "compared with, the first 2 paths: +20.0 % (median of 3 passes)")
                .contains("without the text: whole: -10.0 %")
                .contains("Against plain decoding: +20.0 %");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--nodes 1                        | --nodes must be within 2 and 256",
                "--nodes 257                      | within 2 and 256, which is all that one step verifies, not 257",
                "--nodes 8 --depth 4              | --depth must be within 1 and the model's 3 draft heads, not 4",
                "--nodes 8 --depth 1 --ranks 3    | has at most 4 nodes, not 8: give more --ranks",
                "--depth 2                        | --depth and --no-timing go with --nodes only",
                "--ranks 65                       | --ranks must be within 1 and 64, not 65",
                "--tokens 1                       | --tokens must be at least 2",
                "--limit 0                        | --limit must be at least 1",
                "--compare-with 0                 | numbers of paths from 1 on, not 0",
                "--temperature -1                 | temperature must be 0 (greedy) or within",
                "--svg src                        | src is a directory, not a file to write",
                "--output pom.xml/tree.json       | cannot be used: ",
                "--prompts nowhere.json           | no such file or directory: nowhere.json",
            })
    void whatCannotBeIsRefusedInOneLine(String options, String message) {
        assertRefused(eval("tree", (Object[]) options.split(" ")), message);
    }

    @Test
    void onlyAPackWithHeadsHasATree() throws IOException {
        Path base = TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(DType.F32));
        assertRefused(eval("tree", "--model", base, "--write"), base + " is no packed model, and --write changes one");
        Path tiny = directory.resolve("tiny");
        assertThat(CliRun.of("pack", "--model", base, "--output", tiny).exitCode())
                .isZero();
        assertRefused(eval("tree", "--model", tiny), "has no draft heads");
    }

    @Test
    void setsArePrintedAsTables() throws IOException {
        Path text = Files.writeString(directory.resolve("mine.py"), "def add(a, b):\n");
        Path list = Files.writeString(directory.resolve("list.json"), "[{\"prompt\": \"import os\", \"gt\": null}]");
        String table = eval("compression", "--prompts", text, list, "--max-tokens", 16, "--no-speculation")
                .out();
        assertThat(table).contains("mine ", "list ", "as Medusa counts", "accepted 0 %", "1.00", "1.07");
        assertRefused(eval("compression", "--max-tokens", 0), "--max-tokens must be at least 1, not 0");
        assertRefused(eval("compression", "--temperature", "0,1000"), "temperature must be 0");
    }
}
