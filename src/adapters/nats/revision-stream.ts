import { ErrorCode, type JetStreamClient, type JetStreamManager, NatsError, type StoredMsg } from "nats";
import type { RevisionEntry } from "../../config/revision-log.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { type EntryMessage, fromMessage, StreamFault, writerOf } from "./entry-message.ts";
import { explained, type NatsLink, NoAnswer } from "./link.ts";
import { findOrMakeStream, storedSubjectOf, subjectOf } from "./stream-config.ts";

const ANSWER_MS = 2_000;
const LONGEST_READ_MS = 30_000;
/** Longer than any question waits: the link decides. */
const CLIENT_TIMEOUT_MS = 60_000;
/** How much longer a message may take for each of its bytes: a megabyte in a second. */
const MS_PER_BYTE = 0.001;
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
const NO_MESSAGE_FOUND = 10037;

/** Where a stream ends, and when it was made: a stream made anew is another one. */
export interface StreamEnd {
  readonly last: number;
  readonly created: string;
}

/**
 * What came of an attempt to write. `refused`: this attempt wrote nothing; `conflict`: nor did it, for the stream had
 * moved on, perhaps by an attempt before. `unknown`: nobody can say.
 */
export interface WriteResult {
  readonly outcome: "written" | "conflict" | "refused" | "unknown";
  readonly why: string;
}

/** The stream of entries, whose sequence is the revision. */
export class RevisionStream {
  readonly name: string;
  readonly #maxMessageSize: number;
  readonly #link: NatsLink;
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;

  #readMs = ANSWER_MS;

  private constructor(
    name: string,
    maxMessageSize: number,
    link: NatsLink,
    manager: JetStreamManager,
    client: JetStreamClient,
  ) {
    this.name = name;
    this.#maxMessageSize = maxMessageSize;
    this.#link = link;
    this.#manager = manager;
    this.#client = client;
  }

  /** Opens the stream, which is made when there is none yet. */
  static async open(
    link: NatsLink,
    name: string,
    options: { replicas: number | undefined; timeoutMs: number; logger: Logger },
  ): Promise<RevisionStream> {
    const { connection } = link;
    const { replicas, timeoutMs, logger } = options;
    const asking = { timeout: ANSWER_MS, checkAPI: false };
    const opening = await connection.jetstreamManager(asking);
    const { config } = await findOrMakeStream(opening, name, replicas, timeoutMs, logger);
    const limit = config.max_msg_size > 0 ? config.max_msg_size : Number.POSITIVE_INFINITY;
    const manager = await connection.jetstreamManager({ ...asking, timeout: CLIENT_TIMEOUT_MS });
    const client = connection.jetstream({ timeout: CLIENT_TIMEOUT_MS });
    return new RevisionStream(name, limit, link, manager, client);
  }

  /** The size of the largest message that the stream and its server take. */
  get maxSize(): number {
    return Math.min(
      this.#maxMessageSize,
      this.#link.connection.info?.max_payload ?? Number.POSITIVE_INFINITY,
    );
  }

  /** Where the stream ends, by its leader's word. */
  async end(): Promise<StreamEnd> {
    const { state, created } = await this.#link.ask(() => this.#manager.streams.info(this.name), ANSWER_MS);
    return { last: state.last_seq, created: String(created) };
  }

  /** One entry, by the leader's word: a follower may not have it yet. Throws StreamFault when it is none. */
  async read(sequence: number): Promise<RevisionEntry> {
    const message = await this.#read(sequence);
    return await fromMessage(sequence, message.data, message.header);
  }

  /** Whether it was this very write that made the message of its sequence. */
  async holds({ sequence, writer }: EntryMessage): Promise<boolean> {
    return writerOf((await this.#read(sequence)).header) === writer;
  }

  /**
   * Writes an entry unless the stream has moved on. May be tried again whatever comes of it: the sequence that the
   * message expects lets it in once at most. That holds without Nats-Msg-Id, whose window the server may forget.
   */
  async write(message: EntryMessage): Promise<WriteResult> {
    const { data, headers } = message;
    const timeoutMs = ANSWER_MS + data.length * MS_PER_BYTE;
    let attempts = 0;
    try {
      await this.#link.ask(() => {
        attempts += 1;
        return this.#client.publish(subjectOf(this.name), data, { headers });
      }, timeoutMs);
      return { outcome: "written", why: "" };
    } catch (error) {
      const why = explained(error);
      const code = codeOf(error);
      if (code !== undefined && WRONG_LAST_SEQUENCE.has(code)) return { outcome: "conflict", why };
      // What refused this attempt says nothing of one before, whose answer was lost with the connection.
      const isRefused = attempts === 1 && (code !== undefined || isNobodyThere(error));
      return { outcome: isRefused ? "refused" : "unknown", why };
    }
  }

  // A read waits no longer than any question, for it must not hide that the server is gone. Only when one has failed,
  // or was slow, do the next ones get more time: entries may be large, and the network slow.
  async #read(sequence: number): Promise<StoredMsg> {
    const begin = performance.now();
    const question = () => this.#manager.streams.getMessage(this.name, { seq: sequence });
    try {
      const message = await this.#link.ask(question, this.#readMs);
      this.#readMs = Math.max(ANSWER_MS, Math.min(LONGEST_READ_MS, 2 * (performance.now() - begin)));
      return message;
    } catch (cause) {
      if (cause instanceof NoAnswer) this.#readMs = Math.min(LONGEST_READ_MS, 2 * this.#readMs);
      if (codeOf(cause) !== NO_MESSAGE_FOUND) throw cause;
      throw new StreamFault(`message ${sequence} of the stream is gone`, { cause });
    }
  }

  /** Calls back when an entry was stored, with its sequence, as a rule: what is not heard, `end` tells. */
  onStored(listener: (sequence: number) => void): void {
    this.#link.connection.subscribe(storedSubjectOf(this.name), {
      callback: (error, message) => {
        if (!error) listener(Number(message.headers?.get("Nats-Sequence") ?? 0));
      },
    });
  }
}

function isNobodyThere(error: unknown): boolean {
  return error instanceof NatsError && error.code === ErrorCode.NoResponders;
}

function codeOf(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}
