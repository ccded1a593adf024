package dev.hydrallm.serving;

import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.model.LoadOptions;
import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import io.smallrye.config.WithName;
import java.util.Optional;

/** What a server serves and how much at once. Each key is also an environment variable: {@code HYDRA_MODEL} … */
@ConfigMapping(prefix = "hydra")
public interface ServingConfig {
    int DEFAULT_SLOTS = 1;
    int DEFAULT_QUEUE = 64;

    /** Where the program is installed, with the demo model; set by the launcher and the image. */
    Optional<String> home();

    /** A packed model or a checkpoint's directory, or a hub's repository, ORG/NAME; without it the demo model. */
    Optional<String> model();

    /** The base of draft heads, a directory or a hub's repository, instead of the one their config.json names. */
    Optional<String> baseModel();

    /** Pack a checkpoint's weights as int8. */
    @WithName("load-in-8bit")
    @WithDefault("false")
    boolean loadIn8bit();

    /** Pack a checkpoint's weights as int4. */
    @WithName("load-in-4bit")
    @WithDefault("false")
    boolean loadIn4bit();

    /** Draft tree: a file or a name; without it the model's own. */
    Optional<String> tree();

    /** adaptive, heads or whole: what a step drafts; without it adaptive, but whole where a tree is given. */
    Optional<Speculation.Extent> speculation();

    /** Decode one token a step. */
    @WithDefault("false")
    boolean noSpeculation();

    /** Most tokens of prompt and answer; 0 is all the model was made for. */
    @WithDefault("0")
    int context();

    /**
     * What computes: {@code kernels}, Hydra's own on a processor, {@code torch}, or {@code auto}: libtorch on a GPU, else the
     * kernels where they can.
     */
    @WithDefault("auto")
    String engine();

    /** Where: {@code cpu}, {@code cuda}, {@code cuda:N}, or {@code auto}: the first GPU where libtorch can use one. */
    @WithDefault("auto")
    String device();

    /** What a GPU computes in where weights are not quantized: {@code half} or {@code single}. */
    @WithDefault("half")
    String precision();

    /** CPU threads; 0 is all this process may use, on libtorch one for a small model. */
    @WithDefault("0")
    int threads();

    /** How weights are read from a disk. */
    Load load();

    /** How weights are read from a disk; see {@link LoadOptions}. */
    interface Load {
        /** Threads that read and verify; 0 is one for each processor, for large files at least 8, at most 16. */
        @WithDefault("0")
        int threads();

        /** Bytes asked for at once, a multiple of 4,096. */
        @WithDefault("1048576")
        int readSize();

        /** on: past the kernel's page cache, where the file system can. auto: large files on fast disks, unless they are cached. */
        @WithDefault("auto")
        LoadOptions.DirectIo directIo();
    }

    /** Sequences that run at once. */
    @WithDefault("" + DEFAULT_SLOTS)
    int slots();

    /** Requests that may wait for a slot; more are refused with 429. */
    @WithDefault("" + DEFAULT_QUEUE)
    int queue();

    /** Every route but health answers 401 without this bearer token, which is taken as it is, nothing in it expanded. */
    Optional<String> apiKey();
}
