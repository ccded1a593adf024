package dev.hydrallm.training;

import java.util.ArrayList;
import java.util.List;

/** Remembers what a run says. */
final class Told implements Trainer.Listener {
    final List<String> notices = new ArrayList<>();
    final List<Trainer.Progress> progress = new ArrayList<>();

    @Override
    public void progress(Trainer.Progress step) {
        progress.add(step);
    }

    @Override
    public void notice(String line) {
        notices.add(line);
    }
}
