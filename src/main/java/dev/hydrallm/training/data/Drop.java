package dev.hydrallm.training.data;

/** Why a document gives nothing to learn from. */
public enum Drop {
    NO_JSON("a line or element that is no JSON"),
    TOO_LONG("a line or element of more than 64 MiB"),
    NO_CONVERSATION("neither conversations, messages, text nor prompt and completion"),
    BAD_MESSAGE("a message without a role or a text"),
    UNKNOWN_ROLE("a role other than system, user and assistant"),
    ROLES("roles that do not alternate"),
    NO_ANSWER("no answer"),
    EMPTY("an empty text"),
    NOT_UTF8("a file that is no UTF-8 text"),
    TEMPLATE_REFUSES("refused by the chat template"),
    TEMPLATE_REWRITES("the chat template changes the question once it is answered"),
    OTHER_TOKENS("ids of another tokenizer"),
    TOO_SHORT("fewer than 3 tokens"),
    NO_LABEL("no label within the length");

    private final String words;

    Drop(String words) {
        this.words = words;
    }

    /** For people. */
    public String words() {
        return words;
    }
}
