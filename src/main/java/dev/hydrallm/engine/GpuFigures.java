package dev.hydrallm.engine;

/**
 * What a GPU's steps are held against.
 *
 * @param device its name, and where the driver says so its model
 * @param copyRate bytes read and bytes written in a second, together, by a large copy within its memory
 * @param baseBytes weights that a forward of the base reads, the embedding aside
 * @param draftBytes weights that drafting reads
 */
public record GpuFigures(String device, double copyRate, long baseBytes, long draftBytes) {}
