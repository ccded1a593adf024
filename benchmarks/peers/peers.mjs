// llama.cpp and Hydra in turns on the same prompts; see README.md.
import {spawnSync} from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";
import {convert} from "./gguf.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const HOME = path.resolve(HERE, "../..");
/** Committed tokens under the steps that `hydra bench` measures: llama.cpp's tokens stand around this place too. */
const STEP_CONTEXT = 200;
const STEP_NODES = 8;
const STEPS = 40;
/** For finding the best number of threads. */
const TRIAL = {prompts: 2, tokens: 24, rounds: 2};

const USAGE = `Runs llama.cpp and Hydra in turns on the same prompts and prints tokens/s and their ratio.

  benchmarks/peers/run                           the demo model
  benchmarks/peers/run --model PACK              a packed Llama model, int8, f16 or f32
  benchmarks/peers/run --shape '--preset 1b'     random weights: options of hydra bench shape; '' is its default

  --tokens N     generated for each prompt (128; for a shape 32)
  --repeats N    turns (5)
  --json FILE    everything measured, as JSON`;

/** What the person who ran this can do something about. */
class Refusal extends Error {}

function options() {
    try {
        const {values} = parseArgs({
            options: {
                model: {type: "string"},
                shape: {type: "string"},
                tokens: {type: "string"},
                repeats: {type: "string", default: "5"},
                json: {type: "string"},
                help: {type: "boolean"}
            }
        });
        values.tokens = Number(values.tokens ?? (values.shape === undefined ? 128 : 32));
        values.repeats = Number(values.repeats);
        if (!(Number.isInteger(values.tokens) && values.tokens > 1 && values.tokens < STEP_CONTEXT)) {
            throw new Error(`--tokens must be a whole number from 2 to ${STEP_CONTEXT - 1}`);
        }
        if (!(Number.isInteger(values.repeats) && values.repeats > 0)) {
            throw new Error("--repeats must be a whole number from 1 on");
        }
        if (values.model !== undefined && values.shape !== undefined) {
            throw new Error("--model and --shape exclude each other");
        }
        return values;
    } catch (error) {
        throw new Refusal(`${error.message} (see: benchmarks/peers/run --help)`);
    }
}

/** A program's standard output. */
function output(program, words, input, environment = {}) {
    const run = spawnSync(program, words, {input, encoding: "utf8", maxBuffer: 1 << 28, env: {...process.env, ...environment}});
    if (run.error) {
        throw new Refusal(`${program} cannot be run: ${run.error.message}`);
    }
    if (run.status !== 0) {
        throw new Refusal(`${path.basename(program)} ${words[0]} failed: ${run.stderr.trim().split("\n").at(-1)}`);
    }
    return run.stdout;
}

function hydra(words) {
    return output(path.join(HOME, "hydra"), words, "", {HYDRA_SKIP_BUILD: "1"});
}

/** Everyone who is measured: a name, the ways it can be set up, and what a run in one of them gives. */
function llamaCpp(type, file) {
    const cores = threadCounts();
    return {
        name: `llama.cpp ${type}`,
        setups: cores.flatMap(threads => ["on", "off"].map(flash => ({threads, flash}))),
        run(prompts, tokens, {threads, flash}) {
            const words = [path.join(HERE, "llama.mjs"), file, String(threads), flash, String(tokens)];
            return JSON.parse(output(process.execPath, words, JSON.stringify(prompts)));
        }
    };
}

/** Hydra's generate, the prompts twice: the first time warms up. */
function hydraDecoding(name, pack, scratch, words) {
    return {
        name,
        setups: threadCounts().map(threads => ({threads})),
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

/** A step of Hydra with its draft, of the same random weights: ms of one step instead of one token. */
function hydraStep(shape) {
    return {
        name: `Hydra int8, a step of ${STEP_NODES} nodes and its draft`,
        setups: threadCounts().map(threads => ({threads})),
        run(prompts, tokens, {threads}) {
            const words = ["bench", "shape", ...shape, "--nodes", `1,${STEP_NODES}`, "--threads", String(threads)];
            const report = JSON.parse(hydra([...words, "--steps", String(STEPS), "--tokens", "1", "--repeats", "1", "--format", "json"]));
            return {ms_per_step: report.steps.find(line => line.nodes === STEP_NODES).step.median};
        }
    };
}

function threadCounts() {
    return Array.from({length: os.availableParallelism()}, (_, i) => i + 1);
}

function time(result) {
    return result.ms_per_token ?? result.ms_per_step;
}

/** The setup that was fastest in any of a few short runs. */
function fastest(peer, prompts) {
    if (peer.setups.length === 1) {
        return peer.setups[0];
    }
    const best = {ms: Infinity, setup: peer.setups[0]};
    for (let round = 0; round < TRIAL.rounds; round++) {
        for (const setup of peer.setups) {
            const ms = time(peer.run(prompts.slice(0, TRIAL.prompts), TRIAL.tokens, setup));
            if (ms < best.ms) {
                Object.assign(best, {ms, setup});
            }
        }
    }
    return best.setup;
}

/** Beginnings of Python files, which the demo model completes. */
const TEXTS = [
    "def fibonacci(n):\n    ",
    "import os\nimport sys\n\n\nclass Config:\n    def __init__(self, path):\n        ",
    "def test_parse_empty():\n    ",
    "import numpy as np\n\n\ndef normalize(x, axis=0):\n    \"\"\"",
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n"
];

/** The texts' ids by the model's own tokenizer. */
function textPrompts(pack, scratch) {
    const file = path.join(scratch, "texts.jsonl");
    fs.writeFileSync(file, TEXTS.map(prompt => JSON.stringify({prompt, raw: true, max_tokens: 1}) + "\n").join(""));
    return hydra(["generate", "--model", pack, "--batch-file", file]).trim().split("\n").map(line => JSON.parse(line).prompt_ids);
}

/** Any ids, so many that the generated tokens lie around the place where steps are measured. */
function randomPrompts(vocabulary, tokens) {
    let state = 1;
    const random = () => (state = state * 48271 % 2147483647) % vocabulary;
    return Array.from({length: 4}, () => Array.from({length: STEP_CONTEXT - tokens / 2 >> 0}, random));
}

/** How many ids two answers have in common from their beginning on. */
function common(one, other) {
    const end = Math.min(one.length, other.length);
    const difference = one.slice(0, end).findIndex((id, i) => id !== other[i]);
    return difference < 0 ? end : difference;
}

/** Proves the conversion: formats differ in their rounding, so answers part sooner or later, but hardly at once. */
function requireSameModel(llama, hydra) {
    const agreed = llama.outputs.map((ids, i) => common(ids, hydra.outputs[i]));
    const begun = agreed.filter(count => count > 0).length;
    const compared = agreed.length;
    if (2 * begun <= compared) {
        throw new Refusal(`only ${begun} of ${compared} answers begin with the same token in llama.cpp and Hydra: the conversion is wrong`);
    }
    return {same_first_token: begun, prompts: compared, same_ids: agreed};
}

function summary(values) {
    const sorted = values.toSorted((a, b) => a - b);
    const middle = sorted.length >> 1;
    const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    return {median, least: sorted[0], most: sorted.at(-1)};
}

function spread({median, least, most}, digits) {
    return `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

function line(peer, references) {
    const ms = summary(peer.results.map(time));
    const setup = `${peer.setup.threads}${peer.setup.flash === "off" ? ", no flash attention" : ""}`;
    const speed = peer.results[0].ms_per_token ? spread(summary(peer.results.map(result => 1000 / time(result))), ms.median > 50 ? 2 : 0) : "";
    // Speed against speed, within each turn; of a step its time against that of one token.
    const ratios = references.map(reference => spread(summary(peer.results.map((result, turn) => {
        const against = time(reference.results[turn]);
        return result.ms_per_step ? result.ms_per_step / against : against / result.ms_per_token;
    })), 2) + (peer.results[0].ms_per_step ? " times as long" : ""));
    return [peer.name, setup, spread(ms, 2), speed, ...ratios];
}

function markdown(head, rows) {
    return [head, head.map((_, i) => i === 0 ? "---" : "---:"), ...rows].map(cells => `| ${cells.join(" | ")} |`).join("\n");
}

function say(text) {
    console.error(text);
}

function measure(chosen, scratch) {
    output(path.join(HOME, "hydra"), ["--version"], ""); // builds it first, where that is needed
    const shape = chosen.shape?.split(/\s+/).filter(Boolean);
    const pack = shape ? path.join(scratch, "pack") : path.resolve(chosen.model ?? path.join(HOME, "models/demo"));
    if (shape) {
        hydra(["bench", "shape", ...shape, "--save", pack]);
    }
    const manifest = JSON.parse(fs.readFileSync(path.join(pack, "hydra.json"), "utf8"));
    const llamas = ["Q8_0", "Q4_0"].map(type => {
        say(`Converting ${manifest.name} to ${type}.`);
        const file = path.join(scratch, `${type}.gguf`);
        convert(pack, file, type);
        return llamaCpp(type, file);
    });
    const format = manifest.quantization.layers;
    const plain = hydraDecoding(`Hydra ${format}, plain`, pack, scratch, ["--no-speculation"]);
    const last = shape ? hydraStep(shape) : hydraDecoding(`Hydra ${format}, speculative`, pack, scratch, []);
    const peers = [...llamas, plain, ...manifest.draft.heads > 0 ? [last] : []];
    const prompts = shape ? randomPrompts(manifest.architecture.vocab_size, chosen.tokens) : textPrompts(pack, scratch);
    for (const peer of peers) {
        peer.setup = fastest(peer, prompts);
        peer.results = [];
        say(`${peer.name}: best with ${peer.setup.threads} thread(s)${peer.setup.flash ? `, flash attention ${peer.setup.flash}` : ""}.`);
    }
    for (let turn = 1; turn <= chosen.repeats; turn++) {
        say(`Turn ${turn} of ${chosen.repeats}.`);
        peers.forEach(peer => peer.results.push(peer.run(prompts, chosen.tokens, peer.setup)));
        requireSameModel(llamas[0].results[0], plain.results[0]);
    }
    return {manifest, prompts, llamas, plain, peers};
}

function print(chosen, {manifest, prompts, llamas, plain, peers}) {
    const agreement = requireSameModel(llamas[0].results[0], plain.results[0]);
    const node = summary(llamas[0].results.map(result => result.ms_per_token_through_node));
    const lengths = prompts.map(prompt => prompt.length);
    const speculative = peers.find(peer => peer.results[0].tokens_per_step > 1);
    console.log(`${manifest.name}: ${prompts.length} prompts of ${Math.min(...lengths)} to ${Math.max(...lengths)} tokens, ${chosen.tokens} greedy tokens each,`
        + ` ${chosen.repeats} turns; ${os.cpus()[0].model}, ${os.availableParallelism()} processors. Median (least to most).\n`);
    console.log(markdown(
        ["", "threads", "ms", "tokens/s", ...llamas.map(llama => `to ${llama.name}`)],
        peers.map(peer => line(peer, llamas))));
    console.log(`\n${agreement.same_first_token} of ${agreement.prompts} answers of llama.cpp Q8_0 begin with Hydra's first token;`
        + ` ${agreement.same_ids.join(", ")} ids are the same before the first other one.`);
    console.log(`llama.cpp's figures are its own timer's, of its passes alone; through Node, sampling included, Q8_0 took ${spread(node, 2)} ms.`);
    console.log("Hydra's are whole answers, the prompt's pass left out"
        + (speculative ? `; ${speculative.results[0].tokens_per_step.toFixed(2)} tokens a step with speculation.` : "."));
}

function main() {
    const chosen = options();
    if (chosen.help) {
        console.log(USAGE);
        return;
    }
    const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "hydra-peers-"));
    try {
        const measured = measure(chosen, scratch);
        print(chosen, measured);
        if (chosen.json) {
            const {manifest, prompts, peers} = measured;
            const report = {model: manifest.name, architecture: manifest.architecture, tokens: chosen.tokens, prompts,
                machine: {processor: os.cpus()[0].model, processors: os.availableParallelism(), system: os.release()},
                peers: peers.map(({name, setup, results}) => ({name, setup, results}))};
            fs.writeFileSync(chosen.json, JSON.stringify(report, null, 2) + "\n");
        }
    } finally {
        fs.rmSync(scratch, {recursive: true, force: true});
    }
}

try {
    main();
} catch (error) {
    console.error(`peers: ${error instanceof Refusal || process.env.DEBUG === undefined ? error.message : error.stack}`);
    process.exitCode = 1;
}
