// llama.cpp and Hydra in turns on the same prompts; see README.md.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {parseArgs} from "node:util";
import {HOME, hydra, hydraDecoding, hydraStep, llamaCpp, output, Refusal} from "./contenders.mjs";
import {convert} from "./gguf.mjs";

/** Committed tokens under the steps that `hydra bench` measures: llama.cpp's tokens stand around this place too. */
const STEP_CONTEXT = 200;
const STEP_NODES = 8;
/** The share of answers that have to begin with the same token in both, for the conversion to count as right. */
const FEWEST_ALIKE = 0.75;
/** For finding the best number of threads. */
const TRIAL = {prompts: 2, tokens: 24, rounds: 2};

const USAGE = `Runs llama.cpp and Hydra in turns on the same prompts and prints tokens/s and their ratio.

  benchmarks/peers/run                           the demo model
  benchmarks/peers/run --model PACK              a packed Llama model, int8, f16 or f32
  benchmarks/peers/run --shape [-- --preset 1b]  random weights; behind -- options of hydra bench shape

  --tokens N     generated for each prompt (128; for a shape 32)
  --repeats N    turns (5)
  --threads N    for all of them, instead of the best of 1 to all processors for each
  --json FILE    everything measured, as JSON`;

function options() {
    try {
        const {values, positionals} = parseArgs({
            allowPositionals: true,
            options: {
                model: {type: "string"},
                shape: {type: "boolean"},
                tokens: {type: "string"},
                repeats: {type: "string", default: "5"},
                threads: {type: "string"},
                json: {type: "string"},
                help: {type: "boolean"}
            }
        });
        const number = (name, least, most, text) => {
            if (!/^\d+$/.test(text) || Number(text) < least || Number(text) > most) {
                throw new Error(`--${name} ${text} is not a whole number from ${least} to ${most}`);
            }
            return Number(text);
        };
        values.tokens = number("tokens", 4, STEP_CONTEXT, values.tokens ?? (values.shape ? 32 : 128));
        values.repeats = number("repeats", 1, 1000, values.repeats);
        const all = os.availableParallelism();
        values.threads = values.threads === undefined
            ? Array.from({length: all}, (_, i) => i + 1)
            : [number("threads", 1, all, values.threads)];
        if (values.shape && values.model !== undefined) {
            throw new Error("--model and --shape exclude each other");
        }
        if (!values.shape && positionals.length > 0) {
            throw new Error(`${positionals[0]} is no option of this; options of hydra bench shape stand behind --shape --`);
        }
        if (values.model !== undefined && !fs.existsSync(path.join(values.model, "hydra.json"))) {
            throw new Error(`${values.model} is no packed model; hydra pack makes one`);
        }
        return {...values, shape: values.shape ? positionals : undefined};
    } catch (error) {
        throw new Refusal(`${error.message} (see: benchmarks/peers/run --help)`);
    }
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
    if (begun < FEWEST_ALIKE * compared) {
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
    const shape = chosen.shape;
    const pack = shape ? path.join(scratch, "pack") : path.resolve(chosen.model ?? path.join(HOME, "models/demo"));
    if (shape) {
        hydra(["bench", "shape", ...shape, "--save", pack]);
    }
    const manifest = JSON.parse(fs.readFileSync(path.join(pack, "hydra.json"), "utf8"));
    const llamas = ["Q8_0", "Q4_0"].map(type => {
        say(`Converting ${manifest.name} to ${type}.`);
        const file = path.join(scratch, `${type}.gguf`);
        convert(pack, file, type);
        return llamaCpp(type, file, chosen.threads);
    });
    const name = `Hydra ${manifest.quantization.layers}`;
    const plain = hydraDecoding(`${name}, plain`, pack, scratch, ["--no-speculation"], chosen.threads);
    const last = shape
        ? hydraStep(`${name}, a step of ${STEP_NODES} nodes and its draft`, shape, STEP_NODES, chosen.threads)
        : hydraDecoding(`${name}, speculative`, pack, scratch, [], chosen.threads);
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
    if (chosen.json) {
        fs.writeFileSync(chosen.json, ""); // fails now rather than in the end
    }
    process.on("SIGINT", () => {}); // ends what runs, and with it the measurement, which then tidies up
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
