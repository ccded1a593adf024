package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.model.DType;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.WideCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Heads that are trained from the command line, on libtorch. */
final class TrainCommandTest {
    private static final String[] QUICK = {
        "--medusa-num-heads",
        "2",
        "--medusa-num-decoder-layers",
        "1",
        "--learning-rate",
        "0.01",
        "--per-device-train-batch-size",
        "4",
        "--gradient-accumulation-steps",
        "2",
        "--threads",
        "1",
        "--device",
        "cpu"
    };

    @TempDir
    Path folder;

    private Path base = Path.of("");
    private Path data = Path.of("");

    @BeforeEach
    void write() throws Exception {
        base = WideCheckpoint.writeBase(folder.resolve("base"), DType.F16);
        data = TinyCheckpoint.writeTokens(folder.resolve("tokens.bin"), base, 8, 1);
    }

    @Test
    void eightSamplesAreLearnedByHeart() throws IOException {
        Path output = folder.resolve("heads");
        CliRun run = train(
                output,
                "--medusa-num-decoder-layers",
                "2",
                "--max-steps",
                "250",
                "--save-steps",
                "200",
                "--export-pt",
                "--eval-data",
                data);

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).isEqualTo(output + System.lineSeparator());
        assertThat(run.err()).contains("Training [", "100 % 250 of 250 steps, loss ", "tokens/s");
        List<JsonNode> lines = lines(output);
        JsonNode last = lines.getLast();
        assertThat(last.path("eval_loss").asDouble()).isLessThan(0.05);
        assertThat(last.path("eval_medusa0_top1").asDouble())
                .as(last.toString())
                .isEqualTo(1);
        assertThat(last.path("eval_medusa1_top1").asDouble()).isEqualTo(1);

        // What was written is what was learned: begun with it, the first step finds nothing to learn.
        Path more = folder.resolve("more");
        CliRun again = train(more, "--heads-from", output, "--medusa-num-decoder-layers", "2", "--max-steps", "1");
        assertThat(again.exitCode()).as(again.err()).isZero();
        assertThat(lines(more).getFirst().path("loss").asDouble()).isLessThan(0.06);
        CliRun.assertRefused(
                train(
                        folder.resolve("shared"),
                        "--heads-from",
                        output,
                        "--medusa-num-decoder-layers",
                        "2",
                        "--share-lm-head"),
                "have last matrices of their own: leave out --share-lm-head");
        JsonNode config =
                new ObjectMapper().readTree(output.resolve("config.json").toFile());
        assertThat(config.path("medusa_num_heads").asInt()).isEqualTo(2);
        assertThat(config.path("medusa_num_decoder_layers").asInt()).isEqualTo(2);
        assertThat(config.path("base_model_name_or_path").asText()).isEqualTo(base.toString());
        assertThat(config.path("torch_dtype").asText()).isEqualTo("float16");
        assertThat(config.path("training").path("--learning-rate").asText()).isEqualTo("0.01");
        Path pack = folder.resolve("pack");
        assertThat(CliRun.of("pack", "--model", output, "--output", pack).exitCode())
                .isZero();
        CliRun inspected = CliRun.of("inspect", "--model", pack);
        assertThat(inspected.exitCode()).as(inspected.err()).isZero();
        // Weights of the output are read from the safetensors file; those of torch's hold the same.
        Files.delete(output.resolve("medusa_lm_head.safetensors"));
        Path torch = folder.resolve("torch");
        assertThat(CliRun.of("pack", "--model", output, "--output", torch).exitCode())
                .isZero();
        assertThat(torch.resolve("weights.safetensors")).hasSameBinaryContentAs(pack.resolve("weights.safetensors"));
    }

    @Test
    void aRunThatIsInterruptedIsSavedAndGoesOn() throws Exception {
        Path straight = folder.resolve("straight");
        assertThat(train(straight, "--max-steps", "30").exitCode()).isZero();
        Path output = folder.resolve("interrupted");
        Path log = folder.resolve("log");
        Process child = CliRun.start(
                log,
                Stream.concat(Stream.of("train"), Arrays.stream(arguments(output, "--max-steps", "30")))
                        .toArray());
        Path metrics = output.resolve("metrics.jsonl");
        while (child.isAlive() && (!Files.exists(metrics) || Files.size(metrics) == 0)) {
            Thread.sleep(5);
        }
        CliRun.interrupt(child);
        assertThat(child.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(child.exitValue()).as(Files.readString(log)).isEqualTo(Cli.INTERRUPTED);
        assertThat(Files.readString(log)).contains("ending after this step", "stopped, and saved in " + output);
        assertThat(lines(output)).hasSizeLessThan(30);
        assertThat(output.resolve("medusa_lm_head.safetensors")).doesNotExist();

        CliRun rest = train(output, "--max-steps", "30", "--resume", "required");

        assertThat(rest.exitCode()).as(rest.err()).isZero();
        assertThat(rest.err()).contains("hydra: going on after step ");
        assertThat(lines(output)).hasSize(30);
        for (int i = 0; i < 30; i++) {
            assertThat(lines(output).get(i).path("loss").asDouble())
                    .isCloseTo(
                            lines(straight).get(i).path("loss").asDouble(), org.assertj.core.data.Offset.offset(1e-6));
        }
        assertThat(output.resolve("medusa_lm_head.safetensors"))
                .hasSameBinaryContentAs(straight.resolve("medusa_lm_head.safetensors"));
    }

    @Test
    void theBasesStatesComeFromTheDiskTheSecondTime() throws IOException {
        Path states = folder.resolve("states");
        CliRun one = train(folder.resolve("one"), "--max-steps", "5", "--cache-hidden-states", states);
        assertThat(one.exitCode()).as(one.err()).isZero();
        CliRun other = train(folder.resolve("other"), "--max-steps", "5", "--cache-hidden-states", states);
        CliRun without = train(folder.resolve("without"), "--max-steps", "5");

        assertThat(one.err()).contains("keeping the base's states in " + states);
        assertThat(other.err()).contains("using the base's states of " + states);
        assertThat(without.exitCode()).isZero();
        for (String run : List.of("one", "other")) {
            assertThat(IntStream.range(0, 5)
                            .mapToObj(i -> lines(folder.resolve(run))
                                    .get(i)
                                    .path("loss")
                                    .asDouble()))
                    .isEqualTo(IntStream.range(0, 5)
                            .mapToObj(i -> lines(folder.resolve("without"))
                                    .get(i)
                                    .path("loss")
                                    .asDouble())
                            .toList());
        }
    }

    @Test
    void aQuantizedBaseIsForkedFromTheCheckpointsWeights() {
        for (String bits : List.of("--load-in-8bit", "--load-in-4bit")) {
            CliRun run = train(folder.resolve(bits), "--max-steps", "2", bits);
            assertThat(run.exitCode()).as(run.err()).isZero();
            assertThat(lines(folder.resolve(bits)).getFirst().path("loss").asDouble())
                    .isPositive();
        }
        CliRun.assertRefused(train(folder.resolve("both"), "--load-in-8bit", "--load-in-4bit"), "exclude each other");
    }

    /** Also what the command line alone decides: the type of the weights, and what a run is called. */
    @Test
    void headsOfEveryKindAreTrainedAndPacked() throws IOException {
        List<List<String>> kinds = List.of(
                List.of("--medusa-num-decoder-layers", "0", "--heads-dtype", "f32"),
                List.of("--medusa-num-decoder-layers", "2", "--heads-dtype", "bf16", "--medusa-num-layers", "2"),
                List.of("--share-lm-head", "--head-loss-decay", "0.8", "--lr-scheduler-type", "linear"),
                List.of("--distillation-weight", "0.5", "--max-grad-norm", "0", "--weight-decay", "0.01"),
                List.of("--next-token", "--share-lm-head"));
        for (int i = 0; i < kinds.size(); i++) {
            Path output = folder.resolve("kind" + i);
            CliRun run = train(
                    output,
                    Stream.concat(Stream.of("--max-steps", "3"), kinds.get(i).stream())
                            .toArray());
            assertThat(run.exitCode()).as(run.err()).isZero();
            List<JsonNode> lines = lines(output);
            assertThat(lines.get(2).path("loss").asDouble())
                    .isLessThan(lines.get(0).path("loss").asDouble());
            assertThat(CliRun.of("pack", "--model", output, "--output", folder.resolve("pack" + i))
                            .err())
                    .doesNotContain("warning")
                    .contains("Packed into");
        }
        JsonNode shared = new ObjectMapper()
                .readTree(folder.resolve("pack2/hydra.json").toFile())
                .path("draft");
        assertThat(shared.path("shared_lm_head").asBoolean()).isTrue();
        assertThat(new ObjectMapper()
                        .readTree(folder.resolve("pack4/hydra.json").toFile())
                        .path("draft")
                        .path("parts")
                        .toString())
                .isEqualTo("[\"next_token\"]");
        assertThat(lines(folder.resolve("kind2"))
                        .getFirst()
                        .path("learning_rate")
                        .asDouble())
                .isEqualTo(0.005);
    }

    @Test
    void aFolderIsForOneRun() {
        assertThat(train(folder.resolve("run"), "--max-steps", "1").exitCode()).isZero();
        CliRun other = train(folder.resolve("run"), "--max-steps", "1", "--seed", "2");
        assertThat(other.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(other.err()).contains("holds another run (--seed was 42 and is 2)");
    }

    @Test
    void whoGoesOnOnAnotherDeviceIsTold() throws IOException {
        Path output = folder.resolve("run");
        assertThat(train(output, "--max-steps", "2").err()).doesNotContain("from here on");
        Path description = output.resolve("run.json");
        String here = "a processor in single precision";
        assertThat(description).content().contains(here);
        Files.writeString(description, Files.readString(description).replace(here, "a GPU in bfloat16"));
        CliRun elsewhere = train(output, "--max-steps", "2");
        assertThat(elsewhere.exitCode()).as(elsewhere.err()).isZero();
        assertThat(elsewhere.err()).contains("was computed on a GPU in bfloat16 so far, and from here on " + here);
        assertThat(output.resolve("config.json")).content().contains("a GPU in bfloat16, then " + here);
    }

    @Test
    void whatCannotBeIsRefusedInOneLine() throws Exception {
        CliRun.assertRefused(
                train(folder.resolve("a"), "--model-max-length", "65"), "beyond the base's context of 64 tokens");
        CliRun.assertRefused(train(folder.resolve("a"), "--weight-decay", "-1"), "weight decay");
        CliRun.assertRefused(train(folder.resolve("a"), "--heads-dtype", "q8"), "--heads-dtype q8 is not f32, f16");
        CliRun.assertRefused(
                train(folder.resolve("a"), "--lr-scheduler-type", "square"), Cli.USAGE, "square is not cosine");
        CliRun.assertRefused(
                CliRun.of("train", "--model", "models/demo", "--data", data),
                "is packed already",
                "name the checkpoint");
        CliRun.assertRefused(CliRun.of("train", "--model", base, "--data", folder.resolve("none")), "no such file");
        CliRun.assertRefused(train(folder.resolve("a"), "--medusa-num-decoder-layers", "3"), "cannot be forked");
        CliRun.assertRefused(train(folder.resolve("a"), "--next-token", "--export-pt"), "leave out --export-pt");
        Path none = TinyCheckpoint.writeTokens(folder.resolve("none.bin"), base, 0, 1);
        CliRun unmeasured = train(folder.resolve("a"), "--eval-data", none);
        assertThat(unmeasured.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(unmeasured.err()).contains("hydra: " + none + ": none of 0 samples");
        assertThat(folder.resolve("a")).doesNotExist();
        Path other = WideCheckpoint.writeBase(folder.resolve("other"), DType.F16);
        Files.writeString(other.resolve("tokenizer.json"), "{ }");
        CliRun run = CliRun.of("train", "--model", other, "--data", data, "--output-dir", folder.resolve("a"));
        assertThat(run.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(run.err()).contains("was prepared with another tokenizer than the base's");
    }

    private CliRun train(Path output, Object... more) {
        return CliRun.of("train", arguments(output, more));
    }

    private Object[] arguments(Path output, Object... more) {
        return Stream.of(
                        new Object[] {"--model", base, "--data", data, "--output-dir", output},
                        withoutRepeated(more),
                        more)
                .flatMap(Arrays::stream)
                .toArray();
    }

    /** The quick options, but for those that are given another time. */
    private static Object[] withoutRepeated(Object[] more) {
        List<Object> given = List.of(more);
        return IntStream.range(0, QUICK.length)
                .filter(i -> !given.contains(QUICK[i - i % 2]))
                .mapToObj(i -> QUICK[i])
                .toArray();
    }

    private static List<JsonNode> lines(Path run) {
        try (Stream<String> lines = Files.lines(run.resolve("metrics.jsonl"))) {
            ObjectMapper json = new ObjectMapper();
            return lines.map(line -> {
                        try {
                            return json.readTree(line);
                        } catch (IOException e) {
                            throw new AssertionError(e);
                        }
                    })
                    .toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
