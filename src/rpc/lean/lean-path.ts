import { admitKnown, type IdentityGate } from "../../http/identity.ts";
import { requestIdOf } from "../../http/request-id.ts";
import type { RequestHeaders } from "../../http2/request-head.ts";
import type { BodySink, ServerStream } from "../../http2/server-stream.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { ENVELOPE_BYTES, framingOf, messageOf, timeoutOf } from "./framing.ts";
import type { LeanCall } from "./lean-call.ts";
import type { CallHead } from "./lean-context.ts";
import { LeanRun } from "./lean-run.ts";

/** What the lean path shares with Connect's. Sizes in bytes, times in milliseconds. */
export interface LeanOptions {
  readonly gate: IdentityGate;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readMaxBytes: number;
  /** Time that a unary call may take; 0: it bounds itself. */
  readonly deadlineMsOf: (call: LeanCall) => number;
  readonly shutdown: AbortSignal;
  readonly extraHeaders: () => Readonly<Record<string, string>>;
  /** Smallest answer that is compressed for a client that takes that. */
  readonly compressMinBytes: number;
}

/** Headers by which a call is out of the ordinary, so that Connect answers it. */
const UNUSUAL = [
  "grpc-encoding",
  "content-encoding",
  "connect-content-encoding",
  "origin",
  "expect",
] as const;
const AUTHORITY = /^[\w.:[\]-]+$/;

/**
 * Answers ordinary calls over HTTP/2 with as little as possible between the socket and the handler: same gate, same
 * checks, same handlers, same telemetry as Connect's way, and the same bytes to the client. What is out of the
 * ordinary, a request that is malformed or an error to lay out, is Connect's.
 */
export class LeanPath {
  readonly #calls: ReadonlyMap<string, LeanCall>;
  readonly #options: LeanOptions;
  readonly #open = new Set<LeanRun>();

  /** The calls by their path. */
  constructor(calls: ReadonlyMap<string, LeanCall>, options: LeanOptions) {
    this.#calls = calls;
    this.#options = options;
    options.shutdown.addEventListener("abort", () => {
      for (const run of this.#open) run.abort(options.shutdown.reason);
    });
  }

  /** Takes a call, or says that it is not for the lean path; then nothing of it has been read. */
  serve(stream: ServerStream): boolean {
    const { headers, began } = stream;
    const { gate, readMaxBytes, shutdown } = this.#options;
    const call = this.#calls.get(headers[":path"] ?? "");
    if (!call || headers[":method"] !== "POST" || isUnusual(headers) || shutdown.aborted) return false;
    const framing = framingOf(call.method.methodKind, headers["content-type"]);
    if (!framing) return false;
    const timeout = headers[framing.protocol === "connect" ? "connect-timeout-ms" : "grpc-timeout"];
    const timeoutMs = timeoutOf(framing, timeout);
    if (timeoutMs !== undefined && !(timeoutMs > 0)) return false;
    if (Number(headers["content-length"] ?? 0) > readMaxBytes) return false;
    const caller = admitKnown(gate, call.need, headers.authorization, stream.connection);
    if (!caller) return false;
    const requestId = requestIdOf(headers["x-request-id"]);
    this.#read(call, { method: call.method, framing, stream, headers, requestId, caller, timeoutMs, began });
    return true;
  }

  #read(call: LeanCall, head: CallHead): void {
    const max = this.#options.readMaxBytes + (head.framing.isEnveloped ? ENVELOPE_BYTES : 0);
    const run = new LeanRun(call, head, this.#options, this.#open);
    head.stream.read(new Reading(head, run, max));
  }
}

/** A request that is being read. */
class Reading implements BodySink {
  readonly #head: CallHead;
  readonly #run: LeanRun;
  /** In bytes. */
  readonly #max: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(head: CallHead, run: LeanRun, max: number) {
    this.#head = head;
    this.#run = run;
    this.#max = max;
  }

  data(chunk: Buffer): void {
    const { stream } = this.#head;
    stream.consumed(chunk.length);
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size <= this.#max) return;
    stream.discard();
    this.#run.refuseTooLarge();
  }

  end(): void {
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks, this.#size);
    const message = messageOf(this.#head.framing, body);
    if (message) this.#run.start(message, body);
    else this.#run.leaveToConnect(body);
  }
}

function isUnusual(headers: RequestHeaders): boolean {
  for (const name of UNUSUAL) {
    const value = headers[name];
    if (value !== undefined && value !== "identity") return true;
  }
  return !AUTHORITY.test(headers[":authority"] ?? "");
}
