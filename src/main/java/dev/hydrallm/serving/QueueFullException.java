package dev.hydrallm.serving;

/** All slots are taken and as many requests wait as may wait. */
public final class QueueFullException extends RuntimeException {
    private static final long serialVersionUID = 1;

    QueueFullException(int waiting) {
        super("the server is busy: " + waiting + " requests are waiting already; try again in a moment");
    }
}
