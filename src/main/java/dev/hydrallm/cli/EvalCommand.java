package dev.hydrallm.cli;

import picocli.CommandLine.Command;

@Command(
        name = "eval",
        sortOptions = false,
        description =
                "Measures how good a model's expectations and answers are, what quantization does to them, and what its draft"
                        + " heads foresee.",
        subcommands = {
            PerplexityCommand.class,
            CompareCommand.class,
            HeadsCommand.class,
            TreeCommand.class,
            CompressionCommand.class,
            QualityCommand.class,
            MtBenchCommand.class,
            AllCommand.class
        },
        footer = {
            "",
            "Perplexity says how well one model foresees a text. A comparison says how far one model's expectations are"
                    + " from another's, which shows small damage that perplexity averages away.",
            "",
            "Example:  hydra eval perplexity --text held-out.py",
            "          hydra eval compare packs/none packs/int8 --text held-out.py",
            "          hydra eval heads --text held-out.py",
            "          hydra eval tree --svg tree.svg",
            "          hydra eval compression --prompts prompts.json",
            "          hydra eval quality packs/none packs/int8 --set summaries.json",
            "          hydra eval mtbench --questions question.jsonl --output answers.jsonl",
            "          hydra eval all packs/none packs/int8 --text held-out.py --report report.html"
        })
final class EvalCommand {}
