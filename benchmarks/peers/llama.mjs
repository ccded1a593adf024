// Decodes prompts greedily with llama.cpp and prints, as JSON, its tokens and how long they took.
//
//   node llama.mjs MODEL.gguf THREADS on|off TOKENS < PROMPTS
//
// PROMPTS is a JSON list of lists of token ids; on and off are flash attention. Of node-llama-cpp only its build of llama.cpp
// is used, whose functions are called one by one: its own generator costs a token of a small model a fifth more. What is left
// of Node's share shows against llama.cpp's timer, which counts the passes alone.
import fs from "node:fs";
import {createRequire} from "node:module";
import path from "node:path";
import {getBinsDir} from "@node-llama-cpp/linux-x64";

const INFO = 4; // of the levels of llama.cpp's log as the build counts them
const CELLS = 256; // llama.cpp rounds a context up to so many
const BATCH = 512; // llama.cpp's default

const [file, threads, flash, tokens] = process.argv.slice(2);
const prompts = JSON.parse(fs.readFileSync(0, "utf8"));
const count = Number(tokens);

const libraries = path.join(getBinsDir().binsDir, "linux-x64");
const llama = createRequire(import.meta.url)(path.join(libraries, "llama-addon.node"));
const log = [];
llama.setLogger((level, message) => log.push(message));
llama.setLoggerLogLevel(INFO);
llama.loadBackends(libraries); // takes the build of ggml that is best for this processor
await llama.init();
const model = new llama.AddonModel(file, {addonExports: llama});
const longest = Math.max(...prompts.map(prompt => prompt.length));
if (!await model.init()) {
    fail();
}
const context = new llama.AddonContext(model, {
    contextSize: Math.ceil((longest + count) / CELLS) * CELLS,
    batchSize: BATCH,
    sequences: 1,
    threads: Number(threads),
    flashAttention: flash === "on",
    performanceTracking: true
});
if (!await context.init()) {
    fail();
}
const greedy = new llama.AddonSampler(model);
greedy.applyConfig({temperature: 0});

function fail() {
    console.error(log.join(""));
    process.exit(1);
}

/** The token behind so many known ones at a position. */
async function next(known, position) {
    context.initBatch(known.length);
    const [row] = context.addToBatch(0, position, Uint32Array.from(known), Uint32Array.of(known.length - 1));
    await context.decodeBatch();
    return context.sampleToken(row, greedy);
}

/** The tokens, and the ms of all but the first, which the prompt's pass gives. */
async function decode(prompt) {
    context.disposeSequence(0);
    const output = [await next(prompt, 0)];
    const start = performance.now();
    while (output.length < count) {
        output.push(await next([output.at(-1)], prompt.length + output.length - 1));
    }
    return {output, ms: performance.now() - start};
}

/** llama.cpp's own account of its passes over one token since it was last asked: their number and their ms. */
async function ownTimes() {
    log.length = 0;
    context.printTimings();
    for (let waited = 0; waited < 500; waited++) { // the log comes from another thread
        for (const line of log) {
            const found = /:\s+eval time =\s+([\d.]+) ms \/\s+(\d+) runs/.exec(line);
            if (found) {
                return {ms: Number(found[1]), passes: Number(found[2])};
            }
        }
        await new Promise(resolve => setTimeout(resolve, 10));
    }
    throw new Error("llama.cpp printed no timings: is its version the pinned one?");
}

await decode(prompts[0]); // warms up
await ownTimes();
const results = [];
for (const prompt of prompts) {
    results.push(await decode(prompt));
}
const own = await ownTimes();
console.log(JSON.stringify({
    outputs: results.map(result => result.output),
    ms_per_token: own.ms / own.passes,
    ms_per_token_through_node: results.reduce((sum, result) => sum + result.ms, 0) / (prompts.length * (count - 1)),
    system: llama.systemInfo().trim()
}));
