package dev.hydrallm.prompt;

/**
 * One message of a conversation.
 *
 * @param role {@value #SYSTEM}, {@value #USER}, {@value #ASSISTANT}, or whatever else a template knows
 */
public record Message(String role, String content) {
    public static final String SYSTEM = "system";
    public static final String USER = "user";
    public static final String ASSISTANT = "assistant";
}
