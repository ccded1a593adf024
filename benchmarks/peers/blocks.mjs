// How ggml stores weights: types of tensors, and what a block of a row becomes in each.

/** Weights of a row that share a scale. */
export const BLOCK = 32;

/** Tensor types by name: their numbers in GGUF, and for those of matrices the number of a file that is of this type. */
export const TYPES = {
    F32: {id: 0, bytesPerBlock: 4 * BLOCK},
    Q4_0: {id: 2, fileType: 2, bytesPerBlock: 18, encode: encodeQ4},
    Q8_0: {id: 8, fileType: 7, bytesPerBlock: 34, encode: encodeQ8}
};

/** A block: the scale in half precision, then a signed byte for each weight. */
function encodeQ8(weights) {
    const out = Buffer.alloc(weights.length / BLOCK * TYPES.Q8_0.bytesPerBlock);
    for (let from = 0, at = 0; from < weights.length; from += BLOCK) {
        let largest = 0;
        for (let i = from; i < from + BLOCK; i++) {
            largest = Math.max(largest, Math.abs(weights[i]));
        }
        const scale = largest / 127;
        const inverse = scale === 0 ? 0 : 1 / scale;
        at = out.writeUInt16LE(toHalf(scale), at);
        for (let i = from; i < from + BLOCK; i++) {
            out[at++] = Math.round(weights[i] * inverse); // a negative code wraps around as it should
        }
    }
    return out;
}

/** A block: the scale in half precision, then weights i and i + 16 in the halves of a byte; 8 stands for 0. */
function encodeQ4(weights) {
    const out = Buffer.alloc(weights.length / BLOCK * TYPES.Q4_0.bytesPerBlock);
    for (let from = 0, at = 0; from < weights.length; from += BLOCK) {
        let largest = 0;
        for (let i = from; i < from + BLOCK; i++) {
            largest = Math.abs(weights[i]) > Math.abs(largest) ? weights[i] : largest;
        }
        const scale = largest / -8;
        const inverse = scale === 0 ? 0 : 1 / scale;
        const code = weight => Math.min(15, Math.floor(weight * inverse + 8.5));
        at = out.writeUInt16LE(toHalf(scale), at);
        for (let i = from; i < from + BLOCK / 2; i++) {
            out[at++] = code(weights[i]) | code(weights[i + BLOCK / 2]) << 4;
        }
    }
    return out;
}

const word = new DataView(new ArrayBuffer(4));

/** The nearest half-precision number; of scales, which are never too large for one. */
function toHalf(value) {
    word.setFloat32(0, value);
    const bits = word.getUint32(0);
    const sign = bits >>> 16 & 0x8000;
    const exponent = (bits >>> 23 & 0xff) - 127;
    if (exponent < -14) {
        return sign | Math.round(Math.abs(value) * 2 ** 24); // subnormal, or the smallest normal one
    }
    const mantissa = bits & 0x7fffff;
    const rounded = (mantissa >>> 13) + ((mantissa & 0x1fff) + (mantissa >>> 13 & 1) > 0x1000 ? 1 : 0);
    return sign | (exponent + 15 << 10) + rounded; // a carry goes into the exponent, as it should
}

export function fromHalf(bits) {
    const exponent = bits >>> 10 & 0x1f;
    const mantissa = bits & 0x3ff;
    const size = exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15);
    return bits & 0x8000 ? -size : size;
}
