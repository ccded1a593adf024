package dev.hydrallm.hub;

import java.util.regex.Pattern;

/**
 * A repository of a model at a revision.
 *
 * @param name organization and name, as {@code ORG/NAME}
 * @param revision a branch, a tag or a whole commit
 */
public record Repository(String name, String revision) {
    /** The revision that is meant where none is named. */
    public static final String MAIN = "main";

    /** A commit's name in full. */
    static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    private static final Pattern NAME = Pattern.compile("\\w[\\w.-]{0,95}/\\w[\\w.-]{0,95}");
    private static final Pattern REVISION = Pattern.compile("\\w[\\w.+-]{0,99}(/\\w[\\w.+-]{0,99}){0,5}");

    /** @throws IllegalArgumentException when a part is no name that a hub could know */
    public Repository {
        if (!isName(name)) {
            throw new IllegalArgumentException(name + " is no repository; one is called ORG/NAME");
        }
        // Both become paths in the cache.
        if (!REVISION.matcher(revision).matches() || revision.contains("..")) {
            throw new IllegalArgumentException(revision + " is no revision; give a branch, a tag or a commit");
        }
    }

    /** Reads {@code ORG/NAME} or {@code ORG/NAME@REVISION}. */
    public static Repository parse(String text) {
        int at = text.indexOf('@');
        return at < 0 ? new Repository(text, MAIN) : new Repository(text.substring(0, at), text.substring(at + 1));
    }

    /** Whether {@link #parse} would look for a repository under this name, rather than refuse it. */
    public static boolean looksLikeOne(String text) {
        int at = text.indexOf('@');
        return isName(at < 0 ? text : text.substring(0, at));
    }

    private static boolean isName(String name) {
        return NAME.matcher(name).matches() && !name.contains("--") && !name.contains("..");
    }

    @Override
    public String toString() {
        return revision.equals(MAIN) ? name : name + "@" + revision;
    }
}
