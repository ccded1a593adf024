package dev.hydrallm.cli;

import dev.hydrallm.training.Trainer;
import java.util.Locale;

/** Says on stderr how far a training is. */
final class TrainingBar implements Trainer.Listener {
    private final Progress bar = new Progress("Training");

    @Override
    public void progress(Trainer.Progress progress) {
        StringBuilder top = new StringBuilder();
        progress.top1().forEach(share -> top.append(String.format(Locale.ROOT, " %.0f", 100 * share)));
        long left = Math.round(progress.secondsLeft());
        bar.steps(
                progress.step(),
                progress.steps(),
                String.format(
                        Locale.ROOT,
                        "loss %.3f, right%s %%, %,.0f tokens/s, %d:%02d:%02d left",
                        progress.loss(),
                        top,
                        progress.tokensPerSecond(),
                        left / 3600,
                        left / 60 % 60,
                        left % 60));
    }

    @Override
    public void notice(String line) {
        bar.notice("hydra: " + line);
    }
}
