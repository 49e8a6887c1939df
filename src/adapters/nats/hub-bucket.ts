import { type JetStreamClient, type KV, NatsError, StorageType } from "nats";
import { HubError } from "../../errors.ts";
import { parseNatsUrl } from "./connect.ts";
import { explained, type NatsLink, openLink } from "./link.ts";

const DEFAULT_NAME = "CENTRAL_HUB_REVISIONS";
const OPEN_MS = 5_000;
const ANSWER_MS = 2_000;
const CLIENT_TIMEOUT_MS = 60_000;
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
const NOT_CLUSTERED = 10074;
const NO_PEERS = 10005;

/** A value of a bucket, with the revision that a change of it expects. */
export interface BucketEntry {
  readonly value: string;
  readonly revision: number;
}

/**
 * A bucket of keys beside the stream of revisions, for what hubs of one log agree on. It is opened when it is first
 * needed. Everything throws LOG_UNAVAILABLE when no server answers.
 */
export class HubBucket {
  readonly #url: string;
  #opened: Promise<{ link: NatsLink; kv: KV }> | undefined;

  /** `url` is that of the log. */
  constructor(url: string) {
    this.#url = url;
  }

  /** One value; undefined when there is none. */
  async get(key: string): Promise<BucketEntry | undefined> {
    const entry = await this.#ask((kv) => kv.get(key));
    if (entry?.operation !== "PUT") return undefined;
    return { value: entry.string(), revision: entry.revision };
  }

  /** The values of all keys that begin so. */
  async values(prefix: string): Promise<string[]> {
    const keys = await this.#ask(async (kv) => await Array.fromAsync(await kv.keys(`${prefix}>`)));
    const entries = await Promise.all(keys.map((key) => this.get(key)));
    return entries.flatMap((entry) => entry?.value ?? []);
  }

  /**
   * Writes a value if the key still has that revision; 0: if it has none. Undefined when it does not, or when a write
   * whose answer was lost has done it already.
   */
  async put(key: string, value: string, revision: number): Promise<number | undefined> {
    try {
      const data = Buffer.from(value);
      return await this.#ask((kv) =>
        revision === 0 ? kv.create(key, data) : kv.update(key, data, revision),
      );
    } catch (error) {
      if (isConflict(error)) return undefined;
      throw error;
    }
  }

  /** Removes a value if it still has that revision. */
  async remove(key: string, revision: number): Promise<void> {
    try {
      await this.#ask((kv) => kv.delete(key, { previousSeq: revision }));
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await (await opened?.catch(() => undefined))?.link.close();
  }

  async #ask<Answer>(question: (kv: KV) => Promise<Answer>): Promise<Answer> {
    try {
      this.#opened ??= openBucket(this.#url);
      const { link, kv } = await this.#opened.catch((error: unknown) => {
        this.#opened = undefined;
        throw error;
      });
      return await link.ask(() => question(kv), ANSWER_MS);
    } catch (error) {
      if (isConflict(error)) throw error;
      throw new HubError(
        "LOG_UNAVAILABLE",
        `what hubs agree on is out of reach: ${explained(error)}; try again`,
        {
          cause: error,
        },
      );
    }
  }
}

async function openBucket(url: string): Promise<{ link: NatsLink; kv: KV }> {
  const address = parseNatsUrl(url);
  const link = await openLink(address, "central-hub topology", OPEN_MS);
  try {
    const name = `${address.path || DEFAULT_NAME}_TOPOLOGY`;
    const opening = link.connection.jetstream({ timeout: OPEN_MS });
    await makeBucket(opening, name, Number(address.query.get("replicas") ?? 3));
    const client = link.connection.jetstream({ timeout: CLIENT_TIMEOUT_MS });
    // By the leader's word: a follower may not have heard of who has just taken the lock.
    return { link, kv: await client.views.kv(name, { bindOnly: true, allow_direct: false }) };
  } catch (error) {
    await link.close();
    throw error;
  }
}

async function makeBucket(client: JetStreamClient, name: string, replicas: number): Promise<void> {
  const options = { history: 1, storage: StorageType.File, allow_direct: false };
  try {
    await client.views.kv(name, { ...options, replicas });
  } catch (error) {
    const code = error instanceof NatsError ? error.api_error?.err_code : undefined;
    if (code !== NOT_CLUSTERED && code !== NO_PEERS) throw error;
    await client.views.kv(name, { ...options, replicas: 1 });
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof NatsError && WRONG_LAST_SEQUENCE.has(error.api_error?.err_code ?? 0);
}
