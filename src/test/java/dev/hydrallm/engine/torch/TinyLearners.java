package dev.hydrallm.engine.torch;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.Shape;
import dev.hydrallm.engine.TinyPack;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.training.Sample;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Gives a test learners over one tiny base with random weights, and closes them behind it. */
final class TinyLearners implements BeforeEachCallback, AfterEachCallback {
    static final Shape SHAPE = Shape.all().get(2);
    static final int VOCABULARY = SHAPE.architecture().vocabSize();
    static final DraftLayout DRAFT = new DraftLayout(3, 1, 1, false);
    static final double[] WEIGHTS = {0.03, 0.02, 0.01};

    private final List<AutoCloseable> opened = new ArrayList<>();
    private Path folder = Path.of("");

    @Override
    public void beforeEach(ExtensionContext context) throws Exception {
        folder = Files.createTempDirectory("learners");
        TinyPack.write(folder, SHAPE.architecture(), DraftLayout.NONE, WeightFormat.F32, 0.3)
                .close();
    }

    @Override
    public void afterEach(ExtensionContext context) throws Exception {
        for (AutoCloseable each : opened.reversed()) {
            each.close();
        }
        opened.clear();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /** The base once more. */
    PackedModel model() {
        PackedModel model = PackedModel.open(folder);
        opened.add(model);
        return model;
    }

    TorchLearner learner(PackedModel model, DraftLayout draft, LearnerOptions options) {
        TorchLearner learner = TorchLearner.load(model, draft, options);
        opened.add(learner);
        Learning.scatter(learner, 11, 0.3);
        return learner;
    }

    TorchLearner learner(DraftLayout draft, LearnerOptions options) {
        return learner(model(), draft, options);
    }

    TorchLearner learner() {
        return learner(DRAFT, LearnerOptions.on(Device.CPU));
    }

    /** Samples of these lengths. */
    static List<Sample> batch(int... lengths) {
        return Learning.samples(VOCABULARY, 5, 0.7, lengths);
    }
}
