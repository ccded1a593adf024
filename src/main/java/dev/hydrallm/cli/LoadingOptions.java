package dev.hydrallm.cli;

import dev.hydrallm.model.LoadOptions;
import picocli.CommandLine.Option;

/** How weights are read from a disk. */
final class LoadingOptions {
    @Option(
            names = "--load-threads",
            paramLabel = "N",
            description =
                    "Threads that read and verify weights. Default: one for each processor, for large files at least"
                            + " 8, at most " + LoadOptions.MOST_DEFAULT_THREADS + ".")
    int threads = LoadOptions.DEFAULT.threads();

    @Option(
            names = "--load-read-size",
            paramLabel = "BYTES",
            description = "Bytes of weights that are asked for at once, in whole pages. Default: 1048576.")
    int readSize = LoadOptions.DEFAULT.readBytes();

    @Option(
            names = "--load-direct-io",
            paramLabel = "auto|on|off",
            description =
                    "Whether weights are read past the kernel's page cache, where the file system can. auto: large"
                            + " files on fast disks, where the cache does not hold them. Default: auto.")
    LoadOptions.DirectIo directIo = LoadOptions.DEFAULT.directIo();

    /**
     * They as the loader takes them.
     *
     * @throws IllegalArgumentException naming what is out of range
     */
    LoadOptions options() {
        return new LoadOptions(threads, readSize, directIo);
    }
}
