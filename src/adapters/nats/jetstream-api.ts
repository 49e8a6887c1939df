import { ErrorCode, type NatsConnection, NatsError } from "nats";
import { HubError } from "../../errors.ts";
import { type NatsAddress, natsOptions, parseNatsTarget } from "./connect.ts";
import { openConnection } from "./connection.ts";
import { parseExact, writeExact } from "./exact-json.ts";
import { explained } from "./link.ts";

const CONNECT_TIMEOUT_MS = 3_000;
const LATE = Symbol("late");

/** A server that is reached, and a JetStream that does not do what it is asked. */
export class JetStreamError extends Error {
  override readonly name = "JetStreamError";
  /**
   * "refused": it answered with an error. "denied": the user may not ask for that. "absent": there is none, or it is off.
   * "silent": no answer came in time, and what was asked for may have been done.
   */
  readonly kind: "refused" | "denied" | "absent" | "silent";
  /** JetStream's own number of the error; 0: it has said none. */
  readonly errCode: number;

  constructor(kind: JetStreamError["kind"], message: string, errCode = 0) {
    super(message);
    this.kind = kind;
    this.errCode = errCode;
  }
}

/** Where servers are. */
export interface NatsPlace {
  /** "host:port", several of them with commas between, or a URL, which may hold secrets. */
  readonly address: string;
  /** What connecting, and one question, may take, in milliseconds. */
  readonly timeoutMs: number;
}

interface ApiAnswer {
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/**
 * Asks JetStream of the servers of a place. The connection is made when it is first needed, and made anew by itself.
 * The client's own manager is not used, because it rounds large numbers.
 */
export class JetStreamApi {
  readonly #place: NatsPlace;
  readonly #name: string;
  #opening: Promise<NatsConnection> | undefined;
  readonly #closed = new AbortController();

  /** `name` is what the server lists the connection as. */
  constructor(place: NatsPlace, name: string) {
    this.#place = place;
    this.#name = name;
  }

  /** A connection to a server that answers now. Throws BROKER_UNAVAILABLE within the place's timeout. */
  async reach(): Promise<NatsConnection> {
    const connection = await this.#connected();
    const { timeoutMs } = this.#place;
    try {
      await within(connection.rtt(), timeoutMs, this.#closed.signal);
      return connection;
    } catch (error) {
      const reason = error === LATE ? `the server did not answer within ${timeoutMs} ms` : explained(error);
      throw new HubError("BROKER_UNAVAILABLE", reason, { cause: error });
    }
  }

  /** Asks, such as "STREAM.LIST". Throws JetStreamError, and BROKER_UNAVAILABLE when the server is out of reach. */
  async ask<Answer>(api: string, request: unknown, timeoutMs = this.#place.timeoutMs): Promise<Answer> {
    const connection = await this.#connected();
    try {
      const message = await connection.request(`$JS.API.${api}`, writeExact(request), { timeout: timeoutMs });
      const answer = parseExact(message.string()) as ApiAnswer;
      if (answer.error) throw refusal(answer.error);
      return answer as Answer;
    } catch (error) {
      throw error instanceof JetStreamError ? error : translated(error, timeoutMs);
    }
  }

  /** Ends the connection, also one that is being made; then nothing more can be asked. */
  async close(): Promise<void> {
    this.#closed.abort();
    const connection = await this.#opening?.catch(() => undefined);
    await connection?.close();
  }

  #connected(): Promise<NatsConnection> {
    if (this.#opening) return this.#opening;
    const opening = this.#open();
    const forget = (): void => {
      if (this.#opening === opening) this.#opening = undefined;
    };
    opening.then((connection) => connection.closed().then(forget), forget);
    this.#opening = opening;
    return opening;
  }

  async #open(): Promise<NatsConnection> {
    if (this.#closed.signal.aborted) throw new HubError("BROKER_UNAVAILABLE", "the hub looks there no more");
    const { address, timeoutMs } = this.#place;
    const options = natsOptions(parsed(address), this.#name);
    try {
      return await openConnection({ ...options, timeout: Math.min(timeoutMs, CONNECT_TIMEOUT_MS) });
    } catch (error) {
      throw new HubError("BROKER_UNAVAILABLE", `no connection: ${explained(error)}`, { cause: error });
    }
  }
}

function parsed(address: string): NatsAddress {
  try {
    return parseNatsTarget(address);
  } catch (error) {
    throw new HubError("BROKER_UNAVAILABLE", `its address is ${explained(error)}`, { cause: error });
  }
}

function refusal({ err_code: code = 0, description = "" }: NonNullable<ApiAnswer["error"]>): JetStreamError {
  // "JetStream not enabled", and the same for the account.
  const kind = code === 10_076 || code === 10_039 ? "absent" : "refused";
  return new JetStreamError(kind, `${description} (JetStream error ${code})`, code);
}

function translated(error: unknown, timeoutMs: number): Error {
  if (!(error instanceof NatsError)) return new JetStreamError("refused", explained(error));
  if (error.isPermissionError()) {
    return new JetStreamError("denied", `the hub's user may not ask for it: ${error.message}`);
  }
  const { code } = error;
  if (code === ErrorCode.NoResponders) {
    return new JetStreamError(
      "absent",
      "JetStream does not answer; is it on, for the account of the hub's user?",
    );
  }
  if (code === ErrorCode.Timeout) {
    return new JetStreamError("silent", `JetStream did not answer within ${timeoutMs} ms`);
  }
  return new HubError("BROKER_UNAVAILABLE", explained(error), { cause: error });
}

// What comes later is of no interest any more. The client leaves a question open when its connection is closed.
async function within<Value>(
  promise: Promise<Value>,
  timeoutMs: number,
  closed: AbortSignal,
): Promise<Value> {
  promise.catch(() => {});
  const late = Promise.withResolvers<never>();
  const giveUp = (): void => late.reject(LATE);
  const timer = setTimeout(giveUp, timeoutMs);
  if (closed.aborted) giveUp();
  closed.addEventListener("abort", giveUp, { once: true });
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
    closed.removeEventListener("abort", giveUp);
  }
}
