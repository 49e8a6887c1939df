import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Events, type NatsConnection, NatsError } from "nats";
import { type NatsAddress, natsOptions } from "./connect.ts";
import { openConnection } from "./connection.ts";

const DOWN = Symbol("down");
const RETRY_MS = 250;

/** Nobody answered in time; what was asked for may have been done, or may be yet. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/**
 * A connection that is there for good: while its server is gone, it looks for it, or for another of its cluster.
 */
export class NatsLink {
  readonly connection: NatsConnection;
  readonly #address: NatsAddress;
  readonly #events = new EventEmitter<{ up: []; down: [] }>().setMaxListeners(0);
  #isUp = true;

  constructor(connection: NatsConnection, address: NatsAddress) {
    this.connection = connection;
    this.#address = address;
    void this.#follow();
  }

  /** Calls back each time that the connection is there again. */
  onUp(listener: () => void): void {
    this.#events.on("up", listener);
  }

  /** Calls back each time that the connection is lost. */
  onDown(listener: () => void): void {
    this.#events.on("down", listener);
  }

  /**
   * Asks the server, and asks anew when the connection is lost meanwhile: what was sent may be lost with it, or may
   * have been done, so `question` must bear being asked twice. Throws NoAnswer when the time is over.
   */
  async ask<Answer>(question: () => Promise<Answer>, timeoutMs: number): Promise<Answer> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const left = Math.max(0, end - performance.now());
      const answer = await (this.#isUp ? this.#unlessDown(question(), left) : this.#whenUp(left));
      if (answer !== DOWN) return answer;
    }
  }

  async close(): Promise<void> {
    this.#events.removeAllListeners();
    await this.connection.close();
  }

  #whenUp(timeoutMs: number): Promise<typeof DOWN> {
    return new Promise((resolve, reject) => {
      const up = (): void => {
        clearTimeout(timer);
        resolve(DOWN);
      };
      const timer = setTimeout(() => {
        this.#events.off("up", up);
        reject(new NoAnswer(`no NATS server answers at ${this.#address.servers.join(", ")}`));
      }, timeoutMs);
      this.#events.once("up", up);
    });
  }

  #unlessDown<Answer>(answer: Promise<Answer>, timeoutMs: number): Promise<Answer | typeof DOWN> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#events.off("down", down);
        settle();
      };
      const down = (): void => end(() => resolve(DOWN));
      const timer = setTimeout(() => {
        end(() => reject(new NoAnswer(`the NATS server did not answer within ${Math.round(timeoutMs)} ms`)));
      }, timeoutMs);
      this.#events.on("down", down);
      answer.then(
        (value) => end(() => resolve(value)),
        (error: unknown) => end(() => reject(error)),
      );
    });
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type !== Events.Disconnect && type !== Events.Reconnect) continue;
      this.#isUp = type === Events.Reconnect;
      this.#events.emit(this.#isUp ? "up" : "down");
    }
  }
}

/** Connects within that time, or throws NoAnswer; at once when the credentials are refused. */
export async function openLink(address: NatsAddress, name: string, timeoutMs: number): Promise<NatsLink> {
  for (const end = performance.now() + timeoutMs; ; await sleep(RETRY_MS)) {
    try {
      return new NatsLink(await openConnection(natsOptions(address, name)), address);
    } catch (error) {
      const isRefused = error instanceof NatsError && (error.isAuthError() || error.isPermissionError());
      if (!isRefused && performance.now() + RETRY_MS < end) continue;
      const where = address.servers.join(", ");
      throw new NoAnswer(`no connection to a NATS server at ${where}: ${explained(error)}`, { cause: error });
    }
  }
}

const EXPLAINED: Readonly<Record<string, string>> = {
  "503": "JetStream does not answer; is it on, and do enough of its servers run?",
  AUTHORIZATION_VIOLATION: "the user and the password, or the token, are refused",
  CONNECTION_CLOSED: "the connection is closed",
  CONNECTION_REFUSED: "nobody listens there",
  CONNECTION_TIMEOUT: "the server does not greet",
  DISCONNECT: "the connection is lost",
  TIMEOUT: "the server does not answer in time",
};

/** Says what an error of the nats client means: its own messages are often no more than a code. */
export function explained(error: unknown): string {
  if (!(error instanceof NatsError)) return error instanceof Error ? error.message : String(error);
  const { api_error: api } = error;
  if (api?.description) return `${api.description} (JetStream error ${api.err_code})`;
  return EXPLAINED[error.code] ?? error.message;
}
