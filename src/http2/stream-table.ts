/** What a table keeps: something with a number of a stream that a client has begun, which is odd. */
interface Numbered {
  readonly id: number;
}

/**
 * The open streams of a connection by their number. A Map makes itself anew all the time when its entries come and go,
 * and those that it was before keep what they held from the collector of young objects; this has one array, and a stream
 * that is deleted is held by nothing.
 */
export class StreamTable<Stream extends Numbered> {
  #slots: (Stream | undefined)[] = new Array(8).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    const mask = this.#slots.length - 1;
    for (let slot = homeOf(id, mask); ; slot = (slot + 1) & mask) {
      const stream = this.#slots[slot];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  add(stream: Stream): void {
    if (2 * (this.#size + 1) > this.#slots.length) this.#grow();
    this.#place(stream);
    this.#size += 1;
  }

  delete(id: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = homeOf(id, mask);
    for (; slots[hole]?.id !== id; hole = (hole + 1) & mask) if (slots[hole] === undefined) return;
    this.#size -= 1;
    // What stands behind it moves up, unless that would put it before its own place.
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const stream = slots[slot];
      if (stream === undefined) break;
      const home = homeOf(stream.id, mask);
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = stream;
      hole = slot;
    }
    slots[hole] = undefined;
  }

  /** Those that are open now; they may leave meanwhile. */
  all(): Stream[] {
    return this.#slots.filter((stream) => stream !== undefined);
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Array(2 * before.length).fill(undefined);
    for (const stream of before) if (stream) this.#place(stream);
  }

  #place(stream: Stream): void {
    const mask = this.#slots.length - 1;
    let slot = homeOf(stream.id, mask);
    while (this.#slots[slot] !== undefined) slot = (slot + 1) & mask;
    this.#slots[slot] = stream;
  }
}

function homeOf(id: number, mask: number): number {
  return (id >>> 1) & mask;
}
