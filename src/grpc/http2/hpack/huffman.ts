/**
 * Decodes the Huffman strings of HPACK (RFC 7541, section 5.2 and appendix B).
 *
 * The code of appendix B is canonical, so the bit lengths of the symbols define it. The decoder converts the code tree
 * into a table, with which it consumes four bits per step. No code is shorter than five bits, so a step yields at most
 * one symbol. The server does not encode with this code, because it sends only a few dozen bytes of headers.
 */

/** Bit lengths of the symbols 0 to 255 and of EOS (256), one base-36 digit each. */
const CODE_LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq' +
  'u';

const END_OF_STRING = 256;
const EMITS = 1 << 16;
const FAILED = 1 << 17;
const STATES = 256;
const NIBBLES = 16;
const SHORTEST_CODE_BITS = 5;
/** Maximum length of the padding (RFC 7541, section 5.2). */
const MAX_PADDING_BITS = 7;

/** Transitions: STEPS[state * 16 + nibble] is FAILED, or EMITS | symbol << 8 | next state. */
const STEPS = new Uint32Array(STATES * NIBBLES);
/**
 * 1 for each state in which the input may end: after a symbol, or after at most seven bits of padding. Padding is the
 * beginning of the EOS code, which consists of ones.
 */
const MAY_STOP = new Uint8Array(STATES);

/** Inner nodes of the code tree by number. A child is the number of a node, or -1 - symbol for a leaf. */
type Tree = [number, number][];

/**
 * Decodes `source[start, end)` into `target`, which must be at least `huffmanBound` bytes long. Returns the decoded
 * length, or -1 if the input is invalid.
 */
export function huffmanDecode(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  if (MAY_STOP[0] === 0) {
    // The tables are filled on first use, so that an idle sidecar need not compile the code that fills them.
    fillTables();
  }
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at += 1) {
    const byte = source[at] as number;
    let step = STEPS[(state << 4) | (byte >> 4)] as number;
    if (step >= EMITS) {
      if (step >= FAILED) {
        return -1;
      }
      target[length] = step >> 8;
      length += 1;
    }
    step = STEPS[((step & 0xff) << 4) | (byte & 15)] as number;
    if (step >= EMITS) {
      if (step >= FAILED) {
        return -1;
      }
      target[length] = step >> 8;
      length += 1;
    }
    state = step & 0xff;
  }
  return MAY_STOP[state] === 1 ? length : -1;
}

/** Returns the maximum number of symbols in an encoded string. */
export function huffmanBound(encodedBytes: number): number {
  return Math.floor((encodedBytes * 8) / SHORTEST_CODE_BITS);
}

function fillTables(): void {
  const tree = buildTree();
  checkComplete(tree);
  for (let node = 0; node < tree.length; node += 1) {
    for (let nibble = 0; nibble < NIBBLES; nibble += 1) {
      STEPS[(node << 4) | nibble] = walk(tree, node, nibble);
    }
  }
  let node = 0;
  for (let depth = 0; depth <= MAX_PADDING_BITS; depth += 1) {
    MAY_STOP[node] = 1;
    node = childOf(tree, node, 1);
  }
}

/** Throws if the code is incomplete (its Kraft sum is not 1), which a wrong digit in CODE_LENGTHS would cause. */
function checkComplete(tree: Tree): void {
  if (tree.some((children) => children.includes(0))) {
    throw new Error('cannot decode HPACK: CODE_LENGTHS is not a complete Huffman code; use the lengths of RFC 7541');
  }
}

/** Builds the code tree. Canonical codes ascend in the order of their length, then of their symbol. */
function buildTree(): Tree {
  const tree: Tree = [[0, 0]];
  const symbols = Array.from(CODE_LENGTHS, (digit, symbol) => ({ symbol, bits: Number.parseInt(digit, 36) }));
  symbols.sort((left, right) => left.bits - right.bits || left.symbol - right.symbol);
  let code = 0;
  let bitsBefore = symbols[0]?.bits ?? 0;
  for (const { symbol, bits } of symbols) {
    code *= 2 ** (bits - bitsBefore);
    bitsBefore = bits;
    const node = descend(tree, code, bits);
    (tree[node] as [number, number])[code & 1] = -1 - symbol;
    code += 1;
  }
  return tree;
}

/** Returns the parent of a code's leaf, and creates missing nodes. */
function descend(tree: Tree, code: number, bits: number): number {
  let node = 0;
  for (let bit = bits - 1; bit > 0; bit -= 1) {
    const side = Math.floor(code / 2 ** bit) & 1;
    if (childOf(tree, node, side) === 0) {
      (tree[node] as [number, number])[side] = tree.push([0, 0]) - 1;
    }
    node = childOf(tree, node, side);
  }
  return node;
}

function walk(tree: Tree, start: number, nibble: number): number {
  let node = start;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit -= 1) {
    const child = childOf(tree, node, (nibble >> bit) & 1);
    if (child >= 0) {
      node = child;
      continue;
    }
    const symbol = -1 - child;
    if (symbol === END_OF_STRING) {
      return FAILED;
    }
    emitted = EMITS | (symbol << 8);
    node = 0;
  }
  return emitted | node;
}

function childOf(tree: Tree, node: number, side: number): number {
  return tree[node]?.[side] ?? 0;
}
