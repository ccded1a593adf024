package dev.hydrallm.decoding;

/**
 * What an engine can hold.
 *
 * @param slots sequences that can run at once
 * @param contextLength tokens of a sequence, prompt and answer
 * @param maxNodes nodes of all the sequences of one step
 * @param draftHeads draft heads, the deepest useful tree; 0 without heads
 * @param vocabularySize token ids are below this
 */
public record EngineLimits(int slots, int contextLength, int maxNodes, int draftHeads, int vocabularySize) {}
