package dev.hydrallm.cli;

import dev.hydrallm.prompt.ChatTemplate;

/**
 * What stands before a question and before its answer.
 *
 * @param question the prompt
 * @param answer before the answer's first character
 */
record ChatRoles(String question, String answer) {
    /** A model without roles continues what was typed, so nothing stands between. */
    static ChatRoles of(String template) {
        return template.equals(ChatTemplate.RAW) ? new ChatRoles("> ", "") : new ChatRoles("USER: ", "ASSISTANT: ");
    }
}
