package dev.hydrallm.training;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * How training went over the steps since the last of these.
 *
 * @param step the last of them
 * @param loss the heads' mean losses, each times its weight, summed: what is made small
 * @param gradientNorm of the last step, before clipping; if it is infinite or no number that step changed nothing
 * @param tokens that were read
 * @param seconds that it took
 * @param heads sums by head
 */
public record StepMetrics(
        long step,
        double epoch,
        double loss,
        double learningRate,
        double gradientNorm,
        long tokens,
        double seconds,
        List<HeadSums> heads) {
    /** How many ranks of guesses are told of. */
    static final int TOLD_RANKS = 5;

    /** Tokens read in a second. */
    public double tokensPerSecond() {
        return tokens / Math.max(1e-9, seconds);
    }

    /** One line of {@code metrics.jsonl}; heads are counted from 0, as Medusa's trainer counts them. */
    ObjectNode json() {
        ObjectNode line = JsonNodeFactory.instance.objectNode();
        line.put("step", step);
        line.put("epoch", epoch);
        line.put("loss", loss);
        line.put("learning_rate", learningRate);
        if (Double.isFinite(gradientNorm)) {
            line.put("grad_norm", gradientNorm);
        } else {
            line.putNull("grad_norm");
        }
        line.put("tokens", tokens);
        line.put("seconds", seconds);
        line.put("tokens_per_second", tokensPerSecond());
        putHeads(line, "", heads);
        return line;
    }

    /** Adds what there is to say of each head that was asked. */
    static void putHeads(ObjectNode line, String prefix, List<HeadSums> heads) {
        for (int k = 0; k < heads.size(); k++) {
            if (heads.get(k).labels() > 0) {
                line.put(prefix + "medusa" + k + "_loss", heads.get(k).meanLoss());
                for (int rank = 1; rank <= TOLD_RANKS; rank++) {
                    line.put(prefix + "medusa" + k + "_top" + rank, heads.get(k).top(rank));
                }
            }
        }
    }
}
