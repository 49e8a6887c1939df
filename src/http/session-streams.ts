import type { Http2Session } from "node:http2";

const SLOTS_AT_FIRST = 16;

/**
 * The streams of a session by their ids, as Node asks for them. What is in a slot may be replaced by what is beside it when
 * another stream goes; nothing is left behind of one that has gone.
 */
export class StreamsById<Stream> {
  /** Slots are found by the id, or after it; 0 is an empty one. Half of them at least are. */
  #ids = new Int32Array(SLOTS_AT_FIRST);
  #streams: (Stream | undefined)[] = emptied(SLOTS_AT_FIRST);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    return this.#streams[this.#slotOf(id)];
  }

  set(id: number, stream: Stream): this {
    if (2 * (this.#size + 1) > this.#ids.length) this.#grow();
    const slot = this.#slotOf(id);
    if (this.#ids[slot] === 0) this.#size += 1;
    this.#ids[slot] = id;
    this.#streams[slot] = stream;
    return this;
  }

  delete(id: number): boolean {
    let hole = this.#slotOf(id);
    if (this.#ids[hole] === 0) return false;
    const mask = this.#ids.length - 1;
    // Whoever stands behind because the hole was taken moves up, or would not be found any more.
    for (let at = (hole + 1) & mask; this.#ids[at] !== 0; at = (at + 1) & mask) {
      const own = this.#home(this.#ids[at] as number);
      if (((at - own) & mask) < ((at - hole) & mask)) continue;
      this.#ids[hole] = this.#ids[at] as number;
      this.#streams[hole] = this.#streams[at];
      hole = at;
    }
    this.#ids[hole] = 0;
    this.#streams[hole] = undefined;
    this.#size -= 1;
    return true;
  }

  forEach(visit: (stream: Stream, id: number) => void): void {
    const ids = this.#ids.slice();
    for (const [at, stream] of this.#streams.slice().entries()) {
      if (stream !== undefined) visit(stream, ids[at] as number);
    }
  }

  #home(id: number): number {
    // Those of one side are all odd, or all even.
    return (id >>> 1) & (this.#ids.length - 1);
  }

  // Where the id is, or the empty slot where it would be.
  #slotOf(id: number): number {
    const mask = this.#ids.length - 1;
    let slot = this.#home(id);
    while (this.#ids[slot] !== 0 && this.#ids[slot] !== id) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [ids, streams] = [this.#ids, this.#streams];
    this.#ids = new Int32Array(2 * ids.length);
    this.#streams = emptied(2 * ids.length);
    this.#size = 0;
    for (const [at, stream] of streams.entries()) {
      if (stream !== undefined) this.set(ids[at] as number, stream);
    }
  }
}

/** Streams that have no id yet, as Node asks for them: at the side that is called, none but the one that is being made. */
export class StreamsToCome<Stream> {
  readonly #streams: Stream[] = [];

  get size(): number {
    return this.#streams.length;
  }

  add(stream: Stream): this {
    if (!this.#streams.includes(stream)) this.#streams.push(stream);
    return this;
  }

  delete(stream: Stream): boolean {
    const at = this.#streams.indexOf(stream);
    if (at >= 0) this.#streams.splice(at, 1);
    return at >= 0;
  }

  forEach(visit: (stream: Stream) => void): void {
    for (const stream of [...this.#streams]) visit(stream);
  }
}

function emptied<Value>(length: number): (Value | undefined)[] {
  return new Array<Value | undefined>(length).fill(undefined);
}

/** Node's versions whose sessions ask for nothing but what stands above. */
const KNOWN = [22, 24];

interface SessionState {
  streams: { readonly size: number };
  pendingStreams: { readonly size: number };
}

/**
 * Has a session of a server keep its streams so that dead ones are gone with the next collection of young objects. Node keeps
 * them in a Map and a Set, which each stream enters and leaves. These make themselves anew all the time; those that they were
 * before point to the ones after them, and with the first that has become old all streams since then do. A fifth of a hot
 * read's processor time went there, and every few seconds a collection of the whole heap, of a tenth of a second.
 * What is changed is Node's own affair, so it is done for versions that are known alone; says whether it was.
 */
export function keepStreamsApart(session: Http2Session): boolean {
  if (!KNOWN.includes(Number.parseInt(process.versions.node, 10))) return false;
  const key = Object.getOwnPropertySymbols(session).find(({ description }) => description === "state");
  const state = key && (session as unknown as Record<symbol, SessionState>)[key];
  if (state?.streams?.size !== 0 || state.pendingStreams?.size !== 0) return false;
  state.streams = new StreamsById();
  state.pendingStreams = new StreamsToCome();
  return true;
}
