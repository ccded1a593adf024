package dev.hydrallm.engine;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/** Work on other threads while a model is loaded. */
public final class Tasks {
    private Tasks() {}

    /** Waits for a task's result, and throws what it has thrown. */
    public static <T> T await(Future<T> task) {
        try {
            return task.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while a model was loaded", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e);
        }
    }
}
