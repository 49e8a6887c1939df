import { Code, ConnectError } from "@connectrpc/connect";
import { AppliedOutcome } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { delayAfter, pause } from "./backoff.ts";
import type { Connection, TokenSource } from "./connection.ts";
import type { Copy } from "./copy.ts";

/** Who reports. */
export interface Reporting {
  readonly service: string;
  readonly instance: string;
}

interface Report extends Reporting {
  readonly epoch: string;
  readonly revision: bigint;
  readonly nonce: string;
  readonly outcome: AppliedOutcome;
  readonly error: string;
}

/** Reports that wait; the oldest make room. */
const WAITING_MAX = 100;
const TIMEOUT_MS = 10_000;
/** The contract's limit on a reason. */
const ERROR_MAX = 4_096;

/** Tells the hub what became of each content. A report that does not get through waits for the next connection. */
export class Reporter {
  readonly #who: Reporting;
  readonly #tokens: TokenSource;
  readonly #onError: (error: unknown) => void;
  /** By nonce: of one content only the newest outcome is of interest. */
  readonly #waiting = new Map<string, Report>();
  #connection: Connection | undefined;
  #stop = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(who: Reporting, tokens: TokenSource, onError: (error: unknown) => void) {
    this.#who = who;
    this.#tokens = tokens;
    this.#onError = onError;
  }

  /** Reports a content as applied, or as rejected for a reason. */
  report({ nonce, header: { epoch, revision } }: Copy, reason?: string): void {
    const outcome = reason === undefined ? AppliedOutcome.APPLIED : AppliedOutcome.REJECTED;
    // Whole characters, as the contract counts them.
    const error = [...(reason ?? "")].slice(0, ERROR_MAX).join("");
    this.#waiting.delete(nonce);
    this.#waiting.set(nonce, { ...this.#who, epoch, revision, nonce, outcome, error });
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > WAITING_MAX && oldest !== undefined) this.#waiting.delete(oldest);
    this.#send();
  }

  /** There is a hub to report to. */
  connected(connection: Connection): void {
    this.disconnected();
    this.#connection = connection;
    this.#stop = new AbortController();
    this.#send();
  }

  /** The connection is gone. */
  disconnected(): void {
    this.#connection = undefined;
    this.#stop.abort();
    this.#sending = undefined;
  }

  /** Waits until what can be sent has been, or the time is up. */
  async drain(timeoutMs: number): Promise<void> {
    const enough = new AbortController();
    await Promise.race([this.#sending, pause(timeoutMs, enough.signal)]);
    enough.abort();
  }

  #send(): void {
    const connection = this.#connection;
    if (!connection || this.#sending !== undefined) return;
    const { signal } = this.#stop;
    const sending = this.#sendAll(connection, signal).finally(() => {
      if (this.#sending !== sending) return;
      this.#sending = undefined;
      // What came after the last look.
      if (this.#waiting.size > 0) this.#send();
    });
    this.#sending = sending;
  }

  async #sendAll({ client }: Connection, signal: AbortSignal): Promise<void> {
    let failures = 0;
    for (let report = this.#first(); report && !signal.aborted; report = this.#first()) {
      try {
        await client.reportApplied(report, { signal, timeoutMs: TIMEOUT_MS });
        failures = 0;
      } catch (reason) {
        if (signal.aborted) return;
        const error = ConnectError.from(reason);
        this.#onError(error);
        if (error.code === Code.Unauthenticated) this.#tokens.refuse();
        if (mayPass(error.code)) {
          await pause(delayAfter(error, failures++), signal);
          continue;
        }
      }
      if (this.#waiting.get(report.nonce) === report) this.#waiting.delete(report.nonce);
    }
  }

  #first(): Report | undefined {
    const [report] = this.#waiting.values();
    return report;
  }
}

// Whether the same report may be taken a moment later. What is not sent again here is when the hub starts anew.
function mayPass(code: Code): boolean {
  switch (code) {
    case Code.InvalidArgument:
    case Code.OutOfRange:
    case Code.NotFound:
    case Code.PermissionDenied:
    case Code.FailedPrecondition:
    case Code.Unimplemented:
      return false;
    default:
      return true;
  }
}
