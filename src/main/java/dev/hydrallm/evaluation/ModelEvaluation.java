package dev.hydrallm.evaluation;

import dev.hydrallm.model.GroupSize;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.TensorGroup;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * All that was measured of one model.
 *
 * @param name told apart from that of every other model of the same report
 * @param source where it was taken from, as a command line names it; empty for the demo model
 * @param load from the page cache
 * @param fidelity how far it is from the report's first model
 * @param compression tokens per step with the whole tree at every step, by set of prompts
 * @param quality by set of prompts
 */
public record ModelEvaluation(
        String name,
        String source,
        Part<Profile> profile,
        Part<LoadBenchmark.Line> load,
        Part<Foresight> foresight,
        Part<ModelComparison> fidelity,
        Part<HeadAccuracy> heads,
        Part<List<SpeedBenchmark.Line>> speed,
        Part<Map<String, Compression>> compression,
        Map<String, Part<AnswerQuality>> quality) {

    /**
     * What it is made of.
     *
     * @param bytes of all its weights
     * @param draftBytes of these, what only drafting needs
     * @param bitsPerWeight of its matrices, scales included
     * @param tree the paths of its draft tree
     */
    public record Profile(
            long bytes,
            long draftBytes,
            double bitsPerWeight,
            int layers,
            int heads,
            int forkedLayers,
            List<List<Integer>> tree,
            List<GroupSize> groups) {
        private static final Set<TensorGroup> DRAFTING = EnumSet.of(TensorGroup.FORKED_LAYERS, TensorGroup.HEADS);

        public Profile {
            tree = List.copyOf(tree);
            groups = List.copyOf(groups);
        }

        /** Of a packed model. */
        public static Profile of(Manifest manifest, List<List<Integer>> tree) {
            List<GroupSize> groups = GroupSize.of(manifest);
            long matrices = groups.stream().mapToLong(GroupSize::bytes).sum();
            long weights = groups.stream().mapToLong(GroupSize::weights).sum();
            return new Profile(
                    matrices + GroupSize.ofVectors(manifest),
                    groups.stream()
                            .filter(size -> DRAFTING.contains(size.group()))
                            .mapToLong(GroupSize::bytes)
                            .sum(),
                    (double) matrices * Byte.SIZE / weights,
                    manifest.architecture().layers(),
                    manifest.draft().heads(),
                    manifest.draft().forkedLayers(),
                    tree,
                    groups);
        }
    }

    /**
     * How well it foresaw a text.
     *
     * @param bitsPerByte of the text's UTF-8, which compares models that cut text into different tokens, too
     */
    public record Foresight(Perplexity perplexity, double bitsPerByte) {
        /** Of a text of so many bytes. */
        public static Foresight of(Perplexity perplexity, long bytes) {
            return new Foresight(
                    perplexity, perplexity.negativeLogLikelihood() * perplexity.tokens() / Math.log(2) / bytes);
        }
    }

    /** Plain decoding. */
    public Optional<SpeedBenchmark.Line> plain() {
        return speed.found().map(List::getFirst);
    }

    /** Decoding with drafts, as it usually does; nothing where it was told not to draft. */
    public Optional<SpeedBenchmark.Line> drafted() {
        return speed.found().filter(lines -> lines.size() > 1).map(lines -> lines.get(1));
    }

    /** Decoding as it usually does: with drafts, unless it was told not to. */
    public Optional<SpeedBenchmark.Line> usual() {
        return drafted().or(this::plain);
    }
}
