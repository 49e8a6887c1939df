import { HubError } from "../../errors.ts";
import type { ObservedStream } from "../../health/observed-nats.ts";
import type { NatsTopology, StreamSettings } from "../../topology/ports.ts";
import { writeExact } from "./exact-json.ts";
import { JetStreamApi, JetStreamError, type NatsPlace } from "./jetstream-api.ts";
import { nanoseconds, observedStream, type StreamConfigJson, type StreamInfoJson } from "./stream-info.ts";

const STREAM_NOT_FOUND = 10_059;
/** A stream with several replicas is made by agreement of its servers. */
const CHANGE_TIMEOUT_MS = 10_000;
/** Who made a stream, for whoever looks at the server. Servers keep such words since 2.10. */
const MADE_BY_HUB = { created_by: "central-hub" };

/** Changes streams of the NATS server or cluster at a place. */
export function openNatsTopology(place: NatsPlace): NatsTopology {
  return new NatsWriter(place);
}

class NatsWriter implements NatsTopology {
  readonly #api: JetStreamApi;
  readonly #timeoutMs: number;

  constructor(place: NatsPlace) {
    this.#api = new JetStreamApi(place, "central-hub topology");
    this.#timeoutMs = Math.max(place.timeoutMs, CHANGE_TIMEOUT_MS);
  }

  async inspect(stream: string, signal: AbortSignal): Promise<ObservedStream | undefined> {
    const info = await this.#info(stream, signal);
    return info && observedStream(info);
  }

  async createStream(name: string, settings: StreamSettings, signal: AbortSignal): Promise<void> {
    const { info } = await answered(this.#api.reach(), signal);
    const keepsMetadata = !/^[01]\.|^2\.\d\./.test(info?.version ?? "");
    const config = { name, ...configOf(settings), ...(keepsMetadata ? { metadata: MADE_BY_HUB } : {}) };
    await this.#ask(`STREAM.CREATE.${name}`, config, signal);
  }

  async alterStream(name: string, settings: StreamSettings, signal: AbortSignal): Promise<void> {
    const { config: present } = await this.#expect(name, signal);
    const config = altered(present, settings);
    // A server does work for an update that changes nothing, and its consumers may feel it.
    if (writeExact(config) === writeExact(present)) return;
    await this.#ask(`STREAM.UPDATE.${name}`, config, signal);
  }

  async deleteStream(name: string, created: string, signal: AbortSignal): Promise<void> {
    const info = await this.#info(name, signal);
    if (!info) return;
    if (info.created !== created) {
      const message = `the stream ${name} is another one: it was made ${info.created}, and not ${created}; it stays`;
      throw new HubError("PLAN_STALE", message, { metadata: { resource: name } });
    }
    await this.#ask(`STREAM.DELETE.${name}`, undefined, signal);
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  async #expect(name: string, signal: AbortSignal): Promise<StreamInfoJson> {
    const info = await this.#info(name, signal);
    if (!info) throw new HubError("BROKER_REFUSED", `the stream ${name} is not there`);
    return info;
  }

  async #info(name: string, signal: AbortSignal): Promise<StreamInfoJson | undefined> {
    try {
      return await this.#ask<StreamInfoJson>(`STREAM.INFO.${name}`, undefined, signal);
    } catch (error) {
      const { cause } = error as { readonly cause?: unknown };
      if (cause instanceof JetStreamError && cause.errCode === STREAM_NOT_FOUND) return undefined;
      throw error;
    }
  }

  async #ask<Answer>(api: string, request: unknown, signal: AbortSignal): Promise<Answer> {
    try {
      return await answered(this.#api.ask<Answer>(api, request, this.#timeoutMs), signal);
    } catch (error) {
      if (!(error instanceof JetStreamError)) throw error;
      const isAnswer = error.kind === "refused" || error.kind === "denied";
      throw new HubError(isAnswer ? "BROKER_REFUSED" : "BROKER_UNAVAILABLE", error.message, { cause: error });
    }
  }
}

// The present configuration with only these settings changed. A duplicate window that would be longer than max_age
// is refused by the server; nobody asked for that length, so it gives way.
function altered(present: StreamConfigJson, settings: StreamSettings): StreamConfigJson {
  const config: StreamConfigJson = { ...present, ...differing(present, configOf(settings)) };
  const maxAge = BigInt(config.max_age ?? 0);
  const isTooLong = maxAge > 0n && BigInt(config.duplicate_window ?? 0) > maxAge;
  return isTooLong && settings.duplicateWindow === undefined
    ? { ...config, duplicate_window: maxAge }
    : config;
}

// A value that the server writes otherwise, and means the same by, stays as it is.
function differing(present: StreamConfigJson, wanted: Partial<StreamConfigJson>): Partial<StreamConfigJson> {
  const keys = Object.keys(wanted) as (keyof StreamConfigJson)[];
  return Object.fromEntries(
    keys
      .filter((key) => meaning(key, present[key]) !== meaning(key, wanted[key]))
      .map((key) => [key, wanted[key]]),
  );
}

function meaning(key: string, value: unknown): string {
  if (key === "subjects") return JSON.stringify([...((value as string[] | undefined) ?? [])].sort());
  if (/^max_/.test(key)) return String(Math.sign(Number(value ?? 0)) > 0 ? value : 0);
  return String(value ?? (key === "no_ack" ? false : ""));
}

function configOf(settings: StreamSettings): Partial<StreamConfigJson> {
  const { subjects, maxAge, maxMsgs, maxBytes, storage, retention, discard } = settings;
  const { replicas, duplicateWindow, noAck } = settings;
  const config = {
    subjects,
    max_age: maxAge === undefined ? undefined : nanoseconds(maxAge),
    max_msgs: unlimited(maxMsgs),
    max_bytes: unlimited(maxBytes),
    ...{ storage, retention, discard },
    num_replicas: replicas,
    duplicate_window: duplicateWindow === undefined ? undefined : nanoseconds(duplicateWindow),
    no_ack: noAck,
  };
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

// What declarations call 0 is -1 to the server.
function unlimited(limit: bigint | undefined): bigint | undefined {
  return limit === 0n ? -1n : limit;
}

// What comes after the signal is of no interest any more.
async function answered<Value>(answer: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = Promise.withResolvers<never>();
  const giveUp = (): void =>
    aborted.reject(new HubError("BROKER_UNAVAILABLE", "no answer came before the hub gave up waiting"));
  if (signal.aborted) giveUp();
  signal.addEventListener("abort", giveUp, { once: true });
  aborted.promise.catch(() => {});
  answer.catch(() => {});
  try {
    return await Promise.race([answer, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
