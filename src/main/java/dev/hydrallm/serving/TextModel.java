package dev.hydrallm.serving;

import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.EngineLimits;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.prompt.TextAssembler;
import dev.hydrallm.prompt.Tokenizer;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionException;

/**
 * A loaded model that takes text and gives text: a pack with its tokenizer, template, draft tree and decode loop.
 * Thread-safe.
 */
public final class TextModel implements AutoCloseable {
    private final PackedModel pack;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final Speculation speculation;
    private final DecodeLoop loop;
    private final EngineLimits limits;

    private TextModel(
            PackedModel pack,
            Tokenizer tokenizer,
            ChatTemplate template,
            Speculation speculation,
            DecodeLoop loop,
            EngineLimits limits) {
        this.pack = pack;
        this.tokenizer = tokenizer;
        this.template = template;
        this.speculation = speculation;
        this.loop = loop;
        this.limits = limits;
    }

    /**
     * Loads a pack, which this closes in the end.
     *
     * @param speculation what a request drafts that does not say, see {@link #speculationOf}
     * @param queueLength requests that may wait for a slot
     */
    public static TextModel load(PackedModel pack, Speculation speculation, EngineLoader loader, int queueLength) {
        DecodeLoop loop = new DecodeLoop(() -> loader.load(pack), queueLength);
        try {
            // The tokenizer is read while the engine loads.
            Tokenizer tokenizer = tokenizerOf(pack);
            try {
                ChatTemplate template = ChatTemplate.of(pack.manifest().chatTemplate(), tokenizer);
                return new TextModel(
                        pack,
                        tokenizer,
                        template,
                        speculation,
                        loop,
                        loop.limits().join());
            } catch (RuntimeException e) {
                tokenizer.close();
                throw e;
            }
        } catch (RuntimeException e) {
            loop.close();
            pack.close();
            throw e instanceof CompletionException && e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    /** The tokenizer of a pack; the caller closes it. */
    public static Tokenizer tokenizerOf(PackedModel pack) {
        Manifest manifest = pack.manifest();
        return Tokenizer.load(pack.tokenizerFile(), manifest.bosId(), manifest.eosIds());
    }

    /** The draft tree of a pack: the explicit one, else its own, else the default for its heads; cut to the heads and the vocabulary. */
    public static DraftTree treeOf(PackedModel pack, Optional<List<List<Integer>>> explicit) {
        int heads = pack.draft().heads();
        Manifest manifest = pack.manifest();
        List<List<Integer>> paths =
                explicit.or(() -> Optional.ofNullable(manifest.tree())).orElseGet(() -> NamedTrees.defaultFor(heads));
        int vocabulary = pack.architecture().vocabSize();
        return DraftTree.of(paths.stream()
                        .filter(path -> path.stream().allMatch(rank -> rank < vocabulary))
                        .toList())
                .withinDepth(heads);
    }

    /**
     * What to draft with a pack: as much as pays, but the whole of a tree that was asked for, unless {@code extent} says otherwise.
     */
    public static Speculation speculationOf(
            PackedModel pack, Optional<List<List<Integer>>> explicit, Optional<Speculation.Extent> extent) {
        return new Speculation(
                treeOf(pack, explicit),
                extent.orElse(explicit.isEmpty() ? Speculation.Extent.ADAPTIVE : Speculation.Extent.WHOLE));
    }

    /**
     * Queues a request.
     *
     * @throws QueueFullException if too many wait already
     * @throws PromptTooLongException if the prompt leaves no room in the context
     */
    public Generation generate(GenerationRequest request, GenerationListener listener) {
        if (request.prompt().length >= limits.contextLength()) {
            throw new PromptTooLongException(request.prompt().length, limits.contextLength());
        }
        Generation generation =
                new Generation(request, listener, new TextAssembler(tokenizer, request.stopStrings()), loop);
        loop.submit(generation);
        return generation;
    }

    /** A prompt as it is: the tokenizer adds its BOS, nothing else. */
    public int[] encode(String prompt) {
        return tokenizer.encode(prompt);
    }

    /** A conversation through the model's chat template, up to where the assistant's answer begins. */
    public int[] encode(List<Message> messages) {
        return template.encode(messages);
    }

    /** The model's name, as an API shows it. */
    public String name() {
        return pack.manifest().name();
    }

    /** Tokens that end a text. */
    public Set<Integer> endTokens() {
        return Set.copyOf(pack.manifest().eosIds());
    }

    /** What it drafts each step when a request does not say. */
    public Speculation speculation() {
        return speculation;
    }

    /** What it drafts when a request says to what extent, even if it drafts nothing otherwise. */
    public Speculation speculation(Speculation.Extent extent) {
        DraftTree usual = speculation.tree();
        return new Speculation(usual.depth() > 0 ? usual : treeOf(pack, Optional.empty()), extent);
    }

    /** What its engine can hold. */
    public EngineLimits limits() {
        return limits;
    }

    /** Its pack. */
    public PackedModel pack() {
        return pack;
    }

    /** Its tokenizer. */
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** Its chat template. */
    public ChatTemplate template() {
        return template;
    }

    /** Its decode loop, for what it is busy with. */
    public DecodeLoop loop() {
        return loop;
    }

    /** Finishes what runs, then frees everything. */
    @Override
    public void close() {
        loop.close();
        tokenizer.close();
        pack.close();
    }
}
