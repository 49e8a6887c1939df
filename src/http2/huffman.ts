// The code of RFC 7541, Appendix B. It is canonical: symbols of one length have consecutive codes in their order, and each length
// goes on where the one before has ended. So the lengths say all of it.
const SYMBOLS_BY_LENGTH: readonly (readonly [bits: number, symbols: string])[] = [
  [5, "30-32 61 63 65 69 6f 73-74"],
  [6, "20 25 2d-2f 33-39 3d 41 5f 62 64 66-68 6c-6e 70 72 75"],
  [7, "3a 42-57 59 6a-6b 71 76-7a"],
  [8, "26 2a 2c 3b 58 5a"],
  [10, "21-22 28-29 3f"],
  [11, "27 2b 7c"],
  [12, "23 3e"],
  [13, "00 24 40 5b 5d 7e"],
  [14, "5e 7d"],
  [15, "3c 60 7b"],
  [19, "5c c3 d0"],
  [20, "80 82-83 a2 b8 c2 e0 e2"],
  [21, "99 a1 a7 ac b0-b1 b3 d1 d8-d9 e3 e5-e6"],
  [22, "81 84-86 88 92 9a 9c a0 a3-a4 a9-aa ad b2 b5 b9-bb bd-be c4 c6 e4 e8-e9"],
  [23, "01 87 89-8d 8f 93 95-98 9b 9d-9e a5-a6 a8 ae-af b4 b6-b7 bc bf c5 e7 ef"],
  [24, "09 8e 90-91 94 9f ab ce d7 e1 ec-ed"],
  [25, "c7 cf ea-eb"],
  [26, "c0-c1 c8-ca cd d2 d5 da-db ee f0 f2-f3 ff"],
  [27, "cb-cc d3-d4 d6 dd-df f1 f4-f8 fa-fe"],
  [28, "02-08 0b-0c 0e-15 17-1f 7f dc f9"],
  [30, "0a 0d 16 100"],
];
const END_OF_STRING = 0x100;

/** Where the reading of a code stands: by its place and the next four bits, the next place and the symbol that has ended, if any. */
interface Automaton {
  /** The next place, or -1 for a code that no text has. */
  readonly next: Int16Array;
  /** The symbol, or -1. No code is shorter than five bits, so four end one at most. */
  readonly symbol: Int16Array;
  /** Whether a text may end here: all that came after its last symbol are ones, and fewer than eight. */
  readonly mayEnd: Uint8Array;
}

let automaton: Automaton | undefined;

/**
 * Undoes the code for `length` bytes at `start`, in latin1. Undefined for what no text is coded as.
 */
export function huffmanDecode(bytes: Buffer, start: number, length: number): string | undefined {
  automaton ??= build();
  const { next, symbol, mayEnd } = automaton;
  // No code is shorter than five bits.
  const text = Buffer.allocUnsafe(Math.ceil((length * 8) / 5));
  let size = 0;
  let place = 0;
  for (let index = start; index < start + length; index++) {
    const byte = bytes[index] as number;
    for (const bits of [byte >> 4, byte & 0xf]) {
      const at = place * 16 + bits;
      const ended = symbol[at] as number;
      if (ended >= 0) text[size++] = ended;
      place = next[at] as number;
      if (place < 0) return undefined;
    }
  }
  return mayEnd[place] ? text.toString("latin1", 0, size) : undefined;
}

function build(): Automaton {
  const tree = treeOf();
  const places = tree.length;
  const next = new Int16Array(places * 16).fill(-1);
  const symbol = new Int16Array(places * 16).fill(-1);
  for (let place = 0; place < places; place++) {
    for (let bits = 0; bits < 16; bits++) follow(place, bits);
  }
  const mayEnd = new Uint8Array(places);
  for (let place = 0, ones = 0; ones < 8; ones++) {
    mayEnd[place] = 1;
    place = tree[place]?.[1] ?? 0;
  }
  return { next, symbol, mayEnd };

  function follow(from: number, bits: number): void {
    let place = from;
    for (let bit = 3; bit >= 0; bit--) {
      const to = tree[place]?.[(bits >> bit) & 1] as number;
      if (to >= 0) {
        place = to;
        continue;
      }
      if (-to - 1 === END_OF_STRING) return;
      symbol[from * 16 + bits] = -to - 1;
      place = 0;
    }
    next[from * 16 + bits] = place;
  }
}

// Places that branch by the next bit: to another place, or for -(symbol + 1) to a symbol's end.
function treeOf(): [number, number][] {
  const tree: [number, number][] = [[0, 0]];
  let code = 0;
  let before = 0;
  for (const [bits, symbols] of SYMBOLS_BY_LENGTH) {
    code <<= bits - before;
    before = bits;
    for (const symbol of symbolsOf(symbols)) {
      put(code, bits, symbol);
      code += 1;
    }
  }
  return tree;

  function put(of: number, bits: number, symbol: number): void {
    let place = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const branches = tree[place] as [number, number];
      const side = (of >> bit) & 1;
      if (branches[side] === 0) branches[side] = tree.push([0, 0]) - 1;
      place = branches[side] as number;
    }
    (tree[place] as [number, number])[of & 1] = -symbol - 1;
  }
}

function* symbolsOf(text: string): Generator<number> {
  for (const range of text.split(" ")) {
    const [from = 0, to = from] = range.split("-").map((hex) => Number.parseInt(hex, 16));
    for (let symbol = from; symbol <= to; symbol++) yield symbol;
  }
}
