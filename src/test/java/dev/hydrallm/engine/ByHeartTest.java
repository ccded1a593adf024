package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.checkpoint.Packer;
import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.checkpoint.StartingWeights;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.engine.torch.LearnerOptions;
import dev.hydrallm.engine.torch.TorchLearner;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.training.FakeSamples;
import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.RunFolder;
import dev.hydrallm.training.Sample;
import dev.hydrallm.training.Schedule;
import dev.hydrallm.training.TrainedHeads;
import dev.hydrallm.training.Trainer;
import dev.hydrallm.training.TrainingOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Heads that learn by heart what their base writes foretell all of it when it is written again. */
class ByHeartTest {
    private static final int VOCABULARY = 32;
    private static final int HIDDEN = 32;
    private static final int TEXTS = 8;
    private static final int PROMPT = 8;
    /** A whole number of the longest steps, so that none is cut. */
    private static final int WRITTEN = 48;

    private static final DraftLayout HEADS = new DraftLayout(3, 1, 2, false);
    private static final DraftTree CHAIN = DraftTree.of(List.of(List.of(0), List.of(0, 0), List.of(0, 0, 0)));
    private static final EngineOptions ENGINE = new EngineOptions(1, 0, 1, 64, 8).on(Device.CPU);

    private static final String CONFIG = """
            {"model_type": "llama", "vocab_size": 32, "hidden_size": 32, "intermediate_size": 48,
             "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 64, "tie_word_embeddings": false}
            """;

    @TempDir
    Path folder;

    @Test
    void whatTheBaseWroteIsForetoldWhenItWritesItAgain() throws IOException {
        Path base = TinyCheckpoint.writeBase(folder.resolve("base"), CONFIG, tensors());
        List<int[]> prompts = prompts();
        List<int[]> texts;
        try (PackedModel plain = pack(base, Optional.empty(), "plain")) {
            texts = write(plain, prompts, DraftTree.ROOT_ONLY).stream()
                    .map(Sequence::output)
                    .toList();
            assertThat(texts)
                    .allSatisfy(text -> assertThat(Arrays.stream(text).distinct())
                            .as("not one token over and over: %s", Arrays.toString(text))
                            .hasSizeGreaterThan(8));
            List<HeadSums> learnt = train(plain, base, samples(prompts, texts));
            assertThat(learnt).hasSize(3).allSatisfy(head -> {
                assertThat(head.labels()).isEqualTo(TEXTS * WRITTEN);
                assertThat(head.meanLoss()).isLessThan(0.05);
                assertThat(head.top(1)).isGreaterThanOrEqualTo(0.99);
            });
        }
        try (PackedModel drafting = pack(folder.resolve("heads"), Optional.of(base), "drafting")) {
            List<Sequence> again = write(drafting, prompts, CHAIN);
            assertThat(again.stream().map(Sequence::output)).containsExactlyElementsOf(texts);
            int steps = again.stream()
                    .mapToInt(sequence -> sequence.statistics().steps())
                    .sum();
            assertThat((double) TEXTS * WRITTEN / steps).isGreaterThanOrEqualTo(0.9 * (CHAIN.depth() + 1));
        }
    }

    /** Random weights that make a base restless: it falls into no loop of a few tokens. */
    private static Map<String, TestTensor> tensors() {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        TinyCheckpoint.base(DType.F32).forEach((name, tiny) -> tensors.put(name, tensor(name, tiny)));
        TinyCheckpoint.layer(DType.F32, 300)
                .forEach((name, tiny) -> tensors.put("model.layers.2." + name, tensor("model.layers.2." + name, tiny)));
        return tensors;
    }

    private static TestTensor tensor(String name, TestTensor tiny) {
        List<Long> shape = tiny.shape().stream()
                .map(length -> switch (length.intValue()) {
                    case TinyCheckpoint.VOCAB -> (long) VOCABULARY;
                    case TinyCheckpoint.INTERMEDIATE -> 48L;
                    case TinyCheckpoint.HIDDEN -> (long) HIDDEN;
                    default -> HIDDEN / 2L;
                })
                .toList();
        Random random = new Random(name.hashCode());
        float[] values = new float[(int) shape.stream().mapToLong(each -> each).reduce(1, Math::multiplyExact)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (name.contains("norm") ? 1 : 3 / Math.sqrt(HIDDEN) * random.nextGaussian());
        }
        return new TestTensor(tiny.dtype(), shape, values);
    }

    private static List<int[]> prompts() {
        Random random = new Random(1);
        List<int[]> prompts = new ArrayList<>();
        for (int i = 0; i < TEXTS; i++) {
            prompts.add(random.ints(PROMPT, 0, VOCABULARY).toArray());
        }
        return prompts;
    }

    private static List<Sequence> write(PackedModel model, List<int[]> prompts, DraftTree tree) {
        try (ModelEngine engine = ModelEngine.load(model, ENGINE)) {
            return prompts.stream()
                    .map(prompt ->
                            Decoding.run(engine, prompt, tree, new AcceptanceRule.Greedy(), Decoding.tokens(WRITTEN)))
                    .toList();
        }
    }

    /** Prompt and text, of which the text is learnt. */
    private static FakeSamples samples(List<int[]> prompts, List<int[]> texts) {
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i < TEXTS; i++) {
            int[] tokens = Arrays.copyOf(prompts.get(i), PROMPT + WRITTEN);
            System.arraycopy(texts.get(i), 0, tokens, PROMPT, WRITTEN);
            boolean[] labelled = new boolean[tokens.length];
            Arrays.fill(labelled, PROMPT, tokens.length, true);
            samples.add(new Sample(tokens, labelled));
        }
        return new FakeSamples(samples);
    }

    private List<HeadSums> train(PackedModel plain, Path base, FakeSamples samples) throws IOException {
        TrainingOptions options =
                new TrainingOptions(TEXTS, 1, 1, 400, 5e-3, 0.1, Schedule.COSINE, 0, Double.POSITIVE_INFINITY, 1, 7);
        Trainer.Care care = new Trainer.Care(400, 400, 0);
        try (StartingWeights start = StartingWeights.forked(base, HEADS, 7, warning -> {});
                Learner learner = TorchLearner.load(
                        plain, HEADS, LearnerOptions.on(Device.CPU).withThreads(1));
                RunFolder run =
                        RunFolder.open(folder.resolve("heads"), Map.of("run", "by heart"), RunFolder.Resume.NEVER)) {
            Trainer trainer = new Trainer(learner, samples, options, run, care, new Silence());
            trainer.run((parameter, into) -> start.read(parameter.name(), parameter.shape(), into), () -> false);
            new TrainedHeads(HEADS, DType.F32, base.toString()).write(learner, run, TrainedHeads.Files.SAFETENSORS);
            try (Learner.States states = learner.read(samples.samples())) {
                return learner.measure(samples.samples(), states);
            }
        }
    }

    private static final class Silence implements Trainer.Listener {
        @Override
        public void progress(Trainer.Progress progress) {}

        @Override
        public void notice(String line) {}
    }

    private PackedModel pack(Path source, Optional<Path> base, String name) throws IOException {
        Path target = folder.resolve(name);
        try (Checkpoint checkpoint = Checkpoint.open(source, base, warning -> {})) {
            Packer.Options options = new Packer.Options(Quantization.NONE, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, target, (bytes, total) -> {});
        }
        return PackedModel.open(target);
    }
}
