import type { KeyObject } from "node:crypto";
import { bodyHash } from "./event-hash.ts";
import { EVENT_TABLES } from "./event-tables.ts";
import { HistoryCheck, type HistoryVerdict } from "./history-check.ts";
import { type HistoryKeys, type HistorySigner, jwksText } from "./history-keys.ts";
import {
  ExportDigest,
  type GoneHistory,
  type Seal,
  type Signed,
  sealBytes,
  signGone,
} from "./history-records.ts";
import type { UserData } from "./user-data.ts";
import { NO_HASH, type StoredEvent } from "./user-event.ts";
import type { Head, UserEventStore } from "./user-event-store.ts";

/** A part of an export: events, then records of what is gone, then the seal. */
export interface ExportPart {
  readonly events: readonly StoredEvent[];
  /** Number of events that the export will have, as far as it is known. */
  readonly total: bigint;
  readonly gone: readonly Signed<GoneHistory>[];
  readonly seal?: Signed<Seal>;
}

/** How a user's history stands. */
export interface VerifiedHistory extends HistoryVerdict {
  readonly newest: Head;
}

const NOTHING: Head = { sequence: 0n, hash: NO_HASH };
const TRIES = 5;

/** Proves what users' histories are: checks their chains, and exports them so that others can. */
export class UserHistory {
  readonly #data: Pick<UserData, "router" | "storeOf">;
  readonly #openSigner: () => Promise<HistorySigner>;
  readonly #others: HistoryKeys;
  #signer: Promise<HistorySigner> | undefined;

  /** The signer is opened at its first use. `others` are keys that other hubs sign with, or this one has signed with before. */
  constructor(
    data: Pick<UserData, "router" | "storeOf">,
    openSigner: () => Promise<HistorySigner>,
    others: HistoryKeys,
  ) {
    this.#data = data;
    this.#openSigner = openSigner;
    this.#others = others;
  }

  /** The public keys that records are verified with, as a JSON Web Key Set; the hub's own comes first. */
  async jwks(): Promise<string> {
    return jwksText((await this.#keys()).values());
  }

  /** Follows a user's chain from the first event to the newest. */
  async verify(userId: string, signal: AbortSignal): Promise<VerifiedHistory> {
    const store = this.#data.storeOf(userId);
    const keys = await this.#keys();
    for (let tries = 1; ; tries++) {
      const newest = (await store.heads([userId])).get(userId) ?? NOTHING;
      const check = new HistoryCheck(userId, keys);
      let lastRecord = 0n;
      for await (const { id, record } of goneRecords(store, userId, [])) {
        lastRecord = id;
        check.addGone(record);
      }
      for await (const events of eventsUpTo(store, userId, EVENT_TABLES, newest.sequence, true)) {
        signal.throwIfAborted();
        for (const event of events) check.addEvent({ ...event, bodySha256: bodyHash(event.body) });
      }
      const verdict = check.finish(newest);
      // What has been removed in the meantime is missing for no other reason.
      const isQuiet = (await store.gone(userId, [], lastRecord)).length === 0;
      if (verdict.faults.length === 0 || isQuiet || tries === TRIES) return { ...verdict, newest };
    }
  }

  /**
   * All of a user's events of these data types, none: all, in the order of sequences, and what others verify them by. What
   * is left of an erased user is among them with `hasRestricted`, else it stands in records.
   */
  async *export(
    userId: string,
    dataTypes: readonly string[],
    hasRestricted: boolean,
  ): AsyncGenerator<ExportPart> {
    const store = this.#data.storeOf(userId);
    const { router } = this.#data;
    // Not after all the events, if there is none.
    const signer = await this.signer();
    const tables = router.tablesOf(dataTypes);
    const newest = (await store.heads([userId])).get(userId) ?? NOTHING;
    const total = await store.count(userId, tables, hasRestricted);
    const digest = new ExportDigest();
    let sent = 0n;
    for await (const events of eventsUpTo(store, userId, tables, newest.sequence, hasRestricted)) {
      for (const { hash, table } of events) digest.add(hash, router.dataTypeOf(table));
      sent += BigInt(events.length);
      yield { events, total, gone: [] };
    }
    // After the events: what was withheld or removed while they were read has its record now. What is removed between the
    // two has both.
    if (!hasRestricted) {
      for await (const events of restrictedEvents(store, userId, tables)) {
        const timeUs = BigInt(Date.now()) * 1000n;
        const gone = signGone(signer, { userId, dataType: "*", reason: "restricted", timeUs, events });
        yield { events: [], total, gone };
      }
    }
    for await (const { record } of goneRecords(store, userId, dataTypes)) {
      yield { events: [], total, gone: [record] };
    }
    if (dataTypes.length > 0) return;
    const seal: Seal = {
      userId,
      timeUs: BigInt(Date.now()) * 1000n,
      events: sent,
      newestSequence: newest.sequence,
      newestHash: newest.hash,
      digest: digest.digest(),
    };
    yield {
      events: [],
      total,
      gone: [],
      seal: { ...seal, keyId: signer.keyId, signature: signer.sign(sealBytes(seal)) },
    };
  }

  /** What this hub signs with. */
  async signer(): Promise<HistorySigner> {
    this.#signer ??= this.#openSigner().catch((error: unknown) => {
      this.#signer = undefined;
      throw error;
    });
    return await this.#signer;
  }

  async #keys(): Promise<HistoryKeys> {
    const { keyId, publicKey } = await this.signer();
    return new Map<string, KeyObject>([[keyId, publicKey], ...this.#others]);
  }
}

async function* eventsUpTo(
  store: UserEventStore,
  userId: string,
  tables: Parameters<UserEventStore["after"]>[1],
  newest: bigint,
  hasRestricted: boolean,
): AsyncGenerator<readonly StoredEvent[]> {
  for (let position = 0n; position < newest; ) {
    const found = await store.after(userId, tables, position, hasRestricted);
    const events = found.filter(({ sequence }) => sequence <= newest);
    const last = events.at(-1);
    if (!last) return;
    position = last.sequence;
    yield events;
  }
}

async function* restrictedEvents(
  store: UserEventStore,
  userId: string,
  tables: Parameters<UserEventStore["restricted"]>[1],
) {
  for (let position = 0n; ; ) {
    const events = await store.restricted(userId, tables, position);
    const last = events.at(-1);
    if (!last) return;
    position = last.sequence;
    yield events;
  }
}

async function* goneRecords(store: UserEventStore, userId: string, dataTypes: readonly string[]) {
  for (let position = 0n; ; ) {
    const records = await store.gone(userId, dataTypes, position);
    const last = records.at(-1);
    if (!last) return;
    position = last.id;
    yield* records;
  }
}
