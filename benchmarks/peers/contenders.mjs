// Everyone who is measured: a name, the ways it can be set up, and what a run in one of them gives.
import {spawnSync} from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {fileURLToPath} from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
/** Hydra's own folder. */
export const HOME = path.resolve(HERE, "../..");

/** What the person who ran this can do something about. */
export class Refusal extends Error {}

/** A program's standard output. */
export function output(program, words, input, environment = {}) {
    const run = spawnSync(program, words, {input, encoding: "utf8", maxBuffer: 1 << 28, env: {...process.env, ...environment}});
    if (run.error) {
        throw new Refusal(`${program} cannot be run: ${run.error.message}`);
    }
    if (run.signal) {
        throw new Refusal(`interrupted (${run.signal})`);
    }
    if (run.status !== 0) {
        throw new Refusal(`${path.basename(program)} ${words[0]} failed: ${run.stderr.trim().split("\n").at(-1)}`);
    }
    return run.stdout;
}

export function hydra(words) {
    return output(path.join(HOME, "hydra"), words, "", {HYDRA_SKIP_BUILD: "1"});
}

export function llamaCpp(type, file, threadCounts) {
    return {
        name: `llama.cpp ${type}`,
        setups: threadCounts.flatMap(threads => ["on", "off"].map(flash => ({threads, flash}))),
        run(prompts, tokens, {threads, flash}) {
            const words = [path.join(HERE, "llama.mjs"), file, String(threads), flash, String(tokens)];
            return JSON.parse(output(process.execPath, words, JSON.stringify(prompts)));
        }
    };
}

/** Hydra's generate, the prompts twice: the first time warms up. */
export function hydraDecoding(name, pack, scratch, words, threadCounts) {
    return {
        name,
        setups: threadCounts.map(threads => ({threads})),
        run(prompts, tokens, {threads}) {
            const file = path.join(scratch, "prompts.jsonl");
            fs.writeFileSync(file, [...prompts, ...prompts].map(ids => JSON.stringify({prompt_ids: ids}) + "\n").join(""));
            const common = ["--model", pack, "--threads", String(threads), "--temperature", "0", "--max-tokens", String(tokens)];
            const lines = hydra(["generate", ...common, "--batch-file", file, ...words]).trim().split("\n")
                .slice(prompts.length).map(line => JSON.parse(line));
            const total = read => lines.reduce((sum, line) => sum + read(line), 0);
            const generated = total(line => line.output_ids.length);
            return {
                outputs: lines.map(line => line.output_ids),
                ms_per_token: total(line => line.timings.total_ms - line.timings.prefill_ms) / generated,
                tokens_per_step: generated / total(line => line.stats.steps)
            };
        }
    };
}

/** A step of Hydra of so many nodes with its draft, of the same random weights: ms of one step instead of one token. */
export function hydraStep(name, shape, nodes, threadCounts) {
    return {
        name,
        setups: threadCounts.map(threads => ({threads})),
        run(prompts, tokens, {threads}) {
            const words = ["bench", "shape", ...shape, "--nodes", `1,${nodes}`, "--threads", String(threads)];
            const report = JSON.parse(hydra([...words, "--steps", String(tokens), "--tokens", "1", "--repeats", "1", "--format", "json"]));
            return {ms_per_step: report.steps.find(line => line.nodes === nodes).step.median};
        }
    };
}
