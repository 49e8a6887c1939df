import { eventHash, type Hashed } from "./event-hash.ts";
import { type HistoryKeys, isSignedBy } from "./history-keys.ts";
import { type GoneHistory, goneBytes, type Signed } from "./history-records.ts";
import { NO_HASH } from "./user-event.ts";

/** An event as it stands somewhere, with the hashes that it is said to have. */
export type Claimed = Hashed & { readonly previousHash: Buffer; readonly hash: Buffer };

/** What a check has found. */
export interface HistoryVerdict {
  readonly events: bigint;
  /** Number of events that are not there by signed records. */
  readonly gone: bigint;
  /** For people; at most 100. */
  readonly faults: readonly string[];
}

const FAULTS_MAX = 100;

/** Takes faults, and keeps the first hundred. */
export class Faults {
  readonly #kept: string[] = [];
  #more = 0;

  add(fault: string): void {
    if (this.#kept.length < FAULTS_MAX - 1) this.#kept.push(fault);
    else this.#more++;
  }

  list(): readonly string[] {
    return this.#more === 0 ? this.#kept : [...this.#kept, `and ${this.#more} more`];
  }
}

/**
 * Follows the chain of one user from the first event to the newest. What is not there must stand in a record that one of
 * the keys has signed; first all records are added, then all events in the order in which they stand.
 */
export class HistoryCheck {
  readonly faults: Faults = new Faults();
  readonly #userId: string;
  readonly #keys: HistoryKeys;
  readonly #gone = new Map<bigint, Buffer>();
  #order: readonly bigint[] | undefined;
  #next = 0;
  #events = 0n;
  #absent = 0n;
  #position = 0n;
  // Undefined: the event before is missing, so nothing is known of its hash.
  #hash: Buffer | undefined = NO_HASH;

  constructor(userId: string, keys: HistoryKeys) {
    this.#userId = userId;
    this.#keys = keys;
  }

  addGone(record: Signed<GoneHistory>): void {
    const { userId, keyId, signature, events, dataType, reason } = record;
    const first = events[0]?.sequence ?? 0n;
    const what = `the record of ${events.length} events of "${dataType}" from ${first} on, gone by ${reason},`;
    if (userId !== this.#userId) {
      this.faults.add(`${what} is that of another user`);
      return;
    }
    const isSigned = isSignedBy(this.#keys, keyId, goneBytes(record), signature);
    if (isSigned === undefined) {
      this.faults.add(`${what} is signed with the key "${keyId}", which is not among the keys to trust`);
      return;
    }
    if (!isSigned) {
      this.faults.add(`${what} does not have the signature of the key "${keyId}"`);
      return;
    }
    for (const { sequence, hash } of events) {
      const other = this.#gone.get(sequence);
      if (other && !other.equals(hash))
        this.faults.add(`event ${sequence}: two records of it give different hashes`);
      this.#gone.set(sequence, hash);
    }
  }

  addEvent(event: Claimed): void {
    const { sequence, hash, previousHash } = event;
    const say = (fault: string): void => this.faults.add(`event ${sequence}: ${fault}`);
    this.#events++;
    if (event.userId !== this.#userId) say("is of another user");
    if (sequence <= this.#position) {
      say(`stands after event ${this.#position}: it was added or moved`);
      return;
    }
    this.#pass(sequence - 1n);
    if (this.#hash && !this.#hash.equals(previousHash)) {
      say(`does not follow from event ${sequence - 1n}: its previous_hash is another`);
    }
    if (!eventHash(event, previousHash).equals(hash)) say("was changed: its hash is not that of its content");
    if (this.#gone.get(sequence)?.equals(hash) === false)
      say("is not the one that a signed record speaks of");
    this.#position = sequence;
    this.#hash = hash;
  }

  /** The verdict, where the history should end with this event. */
  finish(newest: { readonly sequence: bigint; readonly hash: Buffer }): HistoryVerdict {
    this.#pass(newest.sequence);
    if (this.#position > newest.sequence) {
      this.faults.add(`event ${this.#position}: is newer than the newest of the user, ${newest.sequence}`);
    } else if (this.#hash && !this.#hash.equals(newest.hash)) {
      this.faults.add(
        `event ${newest.sequence}: is not the newest that the user has had: its hash is another`,
      );
    }
    return { events: this.#events, gone: this.#absent, faults: this.faults.list() };
  }

  // Over what should be gone, up to a sequence.
  #pass(end: bigint): void {
    this.#order ??= [...this.#gone.keys()].sort((a, b) => (a < b ? -1 : 1));
    while (this.#position < end) {
      while ((this.#order[this.#next] ?? end + 1n) <= this.#position) this.#next++;
      const next = this.#order[this.#next] ?? end + 1n;
      if (next > this.#position + 1n) {
        const last = next > end ? end : next - 1n;
        const first = this.#position + 1n;
        const which = first === last ? `event ${first} is` : `events ${first} to ${last} are`;
        this.faults.add(`${which} missing, and no signed record says why`);
        this.#position = last;
        this.#hash = undefined;
      } else {
        this.#position = next;
        this.#hash = this.#gone.get(next);
        this.#absent++;
      }
    }
  }
}
