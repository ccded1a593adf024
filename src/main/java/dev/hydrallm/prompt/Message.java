package dev.hydrallm.prompt;

/** One message of a conversation. */
public record Message(String role, String content) {}
