package dev.hydrallm.cli;

import picocli.CommandLine.Command;

@Command(
        name = "data",
        sortOptions = false,
        description =
                "Makes what draft heads learn from: token files of conversations and texts, and answers of the base itself.",
        subcommands = {PrepareDataCommand.class, InspectDataCommand.class, DistillDataCommand.class},
        footer = {"", "Example:  hydra data prepare --model base/ --input ShareGPT.json --output tokens.bin"})
final class DataCommand {}
