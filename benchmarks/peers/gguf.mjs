// Writes a packed Hydra model as GGUF for llama.cpp, its matrices quantized as one type throughout.
//
//   node gguf.mjs PACK TARGET.gguf Q8_0|Q4_0
//
// A pack joins query, key and value rows (and gate and up rows) in one matrix, and orders the query and key rows of a head
// as GGUF's llama does, rotary pairs side by side: rows are copied in the order they have. Format:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import fs from "node:fs";
import path from "node:path";
import {pathToFileURL} from "node:url";
import {BLOCK, fromHalf, TYPES} from "./blocks.mjs";

const ALIGNMENT = 32;
/** Rows that are quantized together, by their weights: bounds the memory that a matrix takes. */
const WEIGHTS_TOGETHER = 1 << 22;

/** Numbers of GGUF's metadata types. */
const META = {u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9};

export function convert(pack, target, typeName) {
    const type = TYPES[typeName];
    if (!type?.encode) {
        throw new Error(`${typeName} is not one of Q8_0, Q4_0`);
    }
    const manifest = JSON.parse(fs.readFileSync(path.join(pack, "hydra.json"), "utf8"));
    const tokenizer = JSON.parse(fs.readFileSync(path.join(pack, "tokenizer.json"), "utf8"));
    requireConvertible(manifest, tokenizer);
    const weights = new Weights(path.join(pack, "weights.safetensors"));
    const out = fs.openSync(target, "w");
    try {
        const tensors = tensorsOf(manifest.architecture, weights, type);
        writeAll(out, header(metadata(manifest, tokenizer, type), tensors));
        tensors.forEach(tensor => tensor.write(out));
    } finally {
        fs.closeSync(out);
        weights.close();
    }
}

function requireConvertible({architecture, quantization}, tokenizer) {
    const added = Object.entries(architecture)
        .filter(([name, value]) => ["attention_parts", "sliding_window", "rope_scaling"].includes(name) && value?.length !== 0);
    if (added.length > 0) {
        throw new Error(`only plain Llama models are converted; this one has ${added.map(([name]) => name).join(", ")}`);
    }
    for (const group of ["embedding", "layers", "lm_head"]) {
        if (!["int8", "f16", "f32", undefined].includes(quantization[group])) {
            throw new Error(`${group} is packed as ${quantization[group]}: pack the model as int8, f16 or f32`);
        }
    }
    if (tokenizer.model.type !== "BPE" || tokenizer.decoder?.type !== "ByteLevel") {
        throw new Error("only models with a byte-level BPE tokenizer are converted");
    }
}

/** The tensors of a pack's weights file. */
class Weights {
    constructor(file) {
        this.file = fs.openSync(file, "r");
        const length = Number(this.#bytes(0, 8).readBigUInt64LE());
        this.entries = JSON.parse(this.#bytes(8, length).toString());
        this.begin = 8 + length;
    }

    /** Rows [from, to) of a matrix or vector, as single-precision numbers. */
    rows(name, columns, from, to) {
        const entry = this.entries[name];
        const size = {F32: 4, F16: 2, I8: 1}[entry.dtype];
        const bytes = this.#bytes(this.begin + entry.data_offsets[0] + from * columns * size, (to - from) * columns * size);
        if (entry.dtype === "F32") {
            return new Float32Array(bytes.buffer);
        }
        const numbers = new Float32Array((to - from) * columns);
        if (entry.dtype === "F16") {
            new Uint16Array(bytes.buffer).forEach((bits, i) => numbers[i] = fromHalf(bits));
            return numbers;
        }
        const codes = new Int8Array(bytes.buffer);
        const scales = this.rows(name.replace(/weight$/, "scale"), 1, from, to);
        for (let row = 0, i = 0; row < scales.length; row++) {
            for (const end = i + columns; i < end; i++) {
                numbers[i] = codes[i] * scales[row];
            }
        }
        return numbers;
    }

    #bytes(offset, length) {
        const bytes = Buffer.from(new ArrayBuffer(length));
        for (let done = 0; done < length;) {
            const read = fs.readSync(this.file, bytes, done, length - done, offset + done);
            if (read === 0) {
                throw new Error("the pack's weights file is cut off");
            }
            done += read;
        }
        return bytes;
    }

    close() {
        fs.closeSync(this.file);
    }
}

/** GGUF's tensors in file order, made of rows of the pack's. */
function tensorsOf(shape, weights, type) {
    const hidden = shape.hidden_size;
    const intermediate = shape.intermediate_size;
    const queries = shape.heads * shape.head_dim;
    const keys = shape.kv_heads * shape.head_dim;
    const tensors = [];
    const vector = (to, from) => tensors.push(new Tensor(to, TYPES.F32, 1, hidden, 0, from, weights));
    const matrix = (to, from, rows, columns, firstRow = 0) =>
        tensors.push(new Tensor(to, type, rows, columns, firstRow, `${from}.weight`, weights));
    matrix("token_embd.weight", "embedding", shape.vocab_size, hidden);
    for (let i = 0; i < shape.layers; i++) {
        const to = `blk.${i}.`;
        const from = `layers.${i}.`;
        vector(`${to}attn_norm.weight`, `${from}attention_norm`);
        matrix(`${to}attn_q.weight`, `${from}qkv`, queries, hidden);
        matrix(`${to}attn_k.weight`, `${from}qkv`, keys, hidden, queries);
        matrix(`${to}attn_v.weight`, `${from}qkv`, keys, hidden, queries + keys);
        matrix(`${to}attn_output.weight`, `${from}o`, hidden, queries);
        vector(`${to}ffn_norm.weight`, `${from}mlp_norm`);
        matrix(`${to}ffn_gate.weight`, `${from}gate_up`, intermediate, hidden);
        matrix(`${to}ffn_up.weight`, `${from}gate_up`, intermediate, hidden, intermediate);
        matrix(`${to}ffn_down.weight`, `${from}down`, hidden, intermediate);
    }
    vector("output_norm.weight", "norm");
    if (!shape.tied_embeddings) {
        matrix("output.weight", "lm_head", shape.vocab_size, hidden);
    }
    return tensors;
}

class Tensor {
    constructor(name, type, rows, columns, firstRow, source, weights) {
        if (columns % BLOCK !== 0) {
            throw new Error(`${name} has rows of ${columns} weights, which do not divide into blocks of ${BLOCK}`);
        }
        Object.assign(this, {name, type, rows, columns, firstRow, source, weights});
        this.bytes = rows * columns / BLOCK * type.bytesPerBlock;
    }

    write(out) {
        const together = Math.max(1, Math.floor(WEIGHTS_TOGETHER / this.columns));
        for (let from = 0; from < this.rows; from += together) {
            const to = Math.min(this.rows, from + together);
            const numbers = this.weights.rows(this.source, this.columns, this.firstRow + from, this.firstRow + to);
            writeAll(out, this.type.encode ? this.type.encode(numbers) : Buffer.from(numbers.buffer));
        }
        writeAll(out, Buffer.alloc(padding(this.bytes)));
    }
}

/** [key, type, value] of everything that llama.cpp wants to know. */
function metadata({name, architecture: shape, bos_id: bos, eos_ids: eos}, tokenizer, type) {
    const entries = [
        ["general.architecture", "string", "llama"],
        ["general.name", "string", name],
        ["general.file_type", "u32", type.fileType],
        ["llama.vocab_size", "u32", shape.vocab_size],
        ["llama.context_length", "u32", shape.context_length],
        ["llama.embedding_length", "u32", shape.hidden_size],
        ["llama.block_count", "u32", shape.layers],
        ["llama.feed_forward_length", "u32", shape.intermediate_size],
        ["llama.attention.head_count", "u32", shape.heads],
        ["llama.attention.head_count_kv", "u32", shape.kv_heads],
        ["llama.attention.key_length", "u32", shape.head_dim],
        ["llama.attention.value_length", "u32", shape.head_dim],
        ["llama.attention.layer_norm_rms_epsilon", "f32", shape.norm_epsilon],
        ["llama.rope.dimension_count", "u32", shape.head_dim],
        ["llama.rope.freq_base", "f32", shape.rope_theta],
        ["tokenizer.ggml.model", "string", "gpt2"],
        ["tokenizer.ggml.pre", "string", "gpt-2"],
        ["tokenizer.ggml.add_bos_token", "bool", bos !== null]
    ];
    const {tokens, kinds} = vocabulary(tokenizer, shape.vocab_size);
    entries.push(["tokenizer.ggml.tokens", "array", {of: "string", values: tokens}]);
    entries.push(["tokenizer.ggml.token_type", "array", {of: "i32", values: kinds}]);
    entries.push(["tokenizer.ggml.merges", "array", {of: "string", values: tokenizer.model.merges.map(merge)}]);
    if (bos !== null) {
        entries.push(["tokenizer.ggml.bos_token_id", "u32", bos]);
    }
    if (eos.length > 0) {
        entries.push(["tokenizer.ggml.eos_token_id", "u32", eos[0]]);
    }
    return entries;
}

function merge(pair) {
    return Array.isArray(pair) ? pair.join(" ") : pair;
}

/** Every token by its id, and what it is: 1 ordinary, 3 special, 5 unused. */
function vocabulary(tokenizer, size) {
    const tokens = Array.from({length: size}, (_, id) => `[unused ${id}]`);
    const kinds = new Array(size).fill(5);
    for (const [token, id] of Object.entries(tokenizer.model.vocab)) {
        tokens[id] = token;
        kinds[id] = 1;
    }
    for (const {id, content, special} of tokenizer.added_tokens ?? []) {
        tokens[id] = content;
        kinds[id] = special ? 3 : 1;
    }
    return {tokens, kinds};
}

function header(entries, tensors) {
    const parts = [Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(entries.length)];
    entries.forEach(([key, type, value]) => parts.push(text(key), u32(META[type]), metaValue(type, value)));
    let offset = 0;
    for (const {name, type, rows, columns, bytes} of tensors) {
        const axes = type === TYPES.F32 ? [columns] : [columns, rows];
        parts.push(text(name), u32(axes.length), ...axes.map(u64), u32(type.id), u64(offset));
        offset += bytes + padding(bytes);
    }
    const whole = Buffer.concat(parts);
    return Buffer.concat([whole, Buffer.alloc(padding(whole.length))]);
}

function metaValue(type, value) {
    switch (type) {
        case "string":
            return text(value);
        case "array":
            return Buffer.concat([u32(META[value.of]), u64(value.values.length), ...value.values.map(v => metaValue(value.of, v))]);
        case "bool":
            return Buffer.from([value ? 1 : 0]);
        case "f32": {
            const bytes = Buffer.alloc(4);
            bytes.writeFloatLE(value);
            return bytes;
        }
        default:
            return u32(value);
    }
}

function u32(value) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
}

function u64(value) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
}

function text(value) {
    const bytes = Buffer.from(value, "utf8");
    return Buffer.concat([u64(bytes.length), bytes]);
}

function padding(bytes) {
    return (ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT;
}

function writeAll(file, bytes) {
    for (let done = 0; done < bytes.length;) {
        done += fs.writeSync(file, bytes, done);
    }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
    if (process.argv.length !== 5) {
        console.error("usage: node gguf.mjs PACK TARGET.gguf Q8_0|Q4_0");
        process.exit(2);
    }
    convert(process.argv[2], process.argv[3], process.argv[4]);
}
