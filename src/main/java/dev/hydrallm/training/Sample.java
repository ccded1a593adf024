package dev.hydrallm.training;

/**
 * One text to learn from.
 *
 * @param tokens ids
 * @param labelled which of the tokens are to be foretold, as many; a head's guess of another one is neither right nor wrong
 */
public record Sample(int[] tokens, boolean[] labelled) {

    /** @throws IllegalArgumentException if there are not as many labels as tokens, or none of both */
    public Sample {
        if (tokens.length == 0 || tokens.length != labelled.length) {
            throw new IllegalArgumentException(tokens.length + " tokens with " + labelled.length + " labels");
        }
    }

    /** How many tokens head {@code head}, counted from 0, is asked for: those that are labelled and stand 2 + head or more from the start. */
    public int labels(int head) {
        int count = 0;
        for (int i = 2 + head; i < tokens.length; i++) {
            count += labelled[i] ? 1 : 0;
        }
        return count;
    }
}
