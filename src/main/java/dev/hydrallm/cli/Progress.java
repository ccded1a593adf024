package dev.hydrallm.cli;

import dev.hydrallm.engine.torch.TorchNatives;
import java.io.PrintStream;
import java.util.Locale;

/** A bar on stderr for what takes long: redrawn in place on a terminal, a line at each tenth elsewhere. */
final class Progress {
    private static final int WIDTH = 24;
    private static final long REDRAW_NANOS = 500_000_000;

    private final PrintStream err = System.err;
    private final boolean terminal = Terminals.isTerminal();
    private final String task;
    private int shown = -1;
    private long begun;
    private long drawn;

    Progress(String task) {
        this.task = task;
    }

    static TorchNatives.Progress ofNatives() {
        Progress bar = new Progress("Unpacking PyTorch's libraries, once");
        return (folder, bytes, total) -> bar.show(bytes, total, "into " + folder);
    }

    /** Shows how many bytes are done. */
    void show(long done, long total, String what) {
        draw(done, total, String.format(Locale.ROOT, "of %,d MB %s", total / 1_000_000, what));
    }

    /** Shows how many bytes came, and how fast since the first of these calls. */
    synchronized void transferred(long done, long total, long received) {
        long now = System.nanoTime();
        if (begun == 0) {
            begun = now;
        }
        redrawNowAndThen(now);
        double seconds = Math.max(1e-3, (now - begun) / 1e9);
        draw(done, total, String.format(Locale.ROOT, "of %,.1f MB, %,.1f MB/s", total / 1e6, received / 1e6 / seconds));
    }

    /** Shows how many steps are done, and what else there is to say, which is drawn anew now and then. */
    synchronized void steps(long done, long total, String facts) {
        redrawNowAndThen(System.nanoTime());
        draw(done, total, String.format(Locale.ROOT, "%,d of %,d steps, %s", done, total, facts));
    }

    private void redrawNowAndThen(long now) {
        if (terminal && now - drawn > REDRAW_NANOS) {
            drawn = now;
            shown = -1;
        }
    }

    /** Shows how many things are done. */
    void count(int done, int total, String things) {
        draw(done, total, "of " + total + " " + things);
    }

    /** A line beside the bar, which is drawn anew below it. */
    synchronized void notice(String line) {
        err.println((terminal ? "\r\033[K" : "") + line);
        shown = -1;
    }

    /** Does nothing when the bar would look the same. */
    private synchronized void draw(long done, long total, String what) {
        int percent = total == 0 ? 100 : (int) Math.min(100, 100 * done / total);
        int step = terminal ? percent : percent / 10;
        if (step == shown) {
            return;
        }
        shown = step;
        String bar = "=".repeat(WIDTH * percent / 100) + " ".repeat(WIDTH - WIDTH * percent / 100);
        String line = String.format(Locale.ROOT, "%s [%s] %3d %% %s", task, bar, percent, what);
        err.print(terminal ? "\r\033[K" + line + (percent == 100 ? "\n" : "") : line + "\n");
        err.flush();
    }
}
