import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { admitKnown, type IdentityGate } from "../../http/identity.ts";
import { requestIdOf } from "../../http/request-id.ts";
import { dropRestOnceAnswered } from "../../http/session-guard.ts";
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
  serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    const { gate, readMaxBytes, shutdown } = this.#options;
    const call = this.#calls.get(headers[":path"] ?? "");
    if (!call || headers[":method"] !== "POST" || isUnusual(headers) || shutdown.aborted) return false;
    const framing = framingOf(call.method.methodKind, headers["content-type"]);
    if (!framing) return false;
    const timeout = headers[framing.protocol === "connect" ? "connect-timeout-ms" : "grpc-timeout"];
    const timeoutMs = timeoutOf(framing, timeout as string | undefined);
    if (timeoutMs !== undefined && !(timeoutMs > 0)) return false;
    if (Number(headers["content-length"] ?? 0) > readMaxBytes) return false;
    const caller = admitKnown(gate, call.need, headers.authorization, stream.session);
    if (!caller) return false;
    const requestId = requestIdOf(headers["x-request-id"] as string | undefined);
    const began = performance.now();
    this.#read(call, { method: call.method, framing, stream, headers, requestId, caller, timeoutMs, began });
    return true;
  }

  #read(call: LeanCall, head: CallHead): void {
    const { stream, framing } = head;
    const max = this.#options.readMaxBytes + (framing.isEnveloped ? ENVELOPE_BYTES : 0);
    // What a stream listens with lives as long as the stream, so it lets go of the request when that is there.
    let reading: Reading | undefined = {
      chunks: [],
      size: 0,
      run: new LeanRun(call, head, this.#options, this.#open),
    };
    const onData = (chunk: Buffer): void => {
      if (!reading) return;
      reading.chunks.push(chunk);
      reading.size += chunk.length;
      if (reading.size <= max) return;
      const { run } = reading;
      reading = undefined;
      dropRestOnceAnswered(stream);
      run.refuseTooLarge();
    };
    const onEnd = (): void => {
      if (!reading) return;
      const { chunks, size, run } = reading;
      reading = undefined;
      const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size);
      const message = messageOf(framing, body);
      if (message) run.start(message, body);
      else run.leaveToConnect(body);
    };
    stream.on("data", onData);
    stream.on("end", onEnd);
  }
}

/** A request that is being read. */
interface Reading {
  readonly run: LeanRun;
  readonly chunks: Buffer[];
  /** In bytes. */
  size: number;
}

function isUnusual(headers: IncomingHttpHeaders): boolean {
  for (const name of UNUSUAL) {
    const value = headers[name];
    if (value !== undefined && value !== "identity") return true;
  }
  return !AUTHORITY.test(headers[":authority"] ?? "");
}
