import { createHash } from "node:crypto";
import type { Metrics } from "../telemetry/metrics.ts";
import { admitKnown, type IdentityGate, type Need } from "./identity.ts";
import type { Request, Response } from "./listener.ts";
import { requestIdOf } from "./request-id.ts";

/** What an answer to a GET is made of. */
export interface HotAnswer {
  /** What a caller must hold. */
  readonly need: Need;
  readonly contentType: string;
  readonly body: Buffer;
  /** As it stands in the metrics. */
  readonly route: string;
}

/** What is needed to answer. */
export interface HotOptions {
  readonly gate: IdentityGate;
  readonly metrics: Pick<Metrics, "httpHandled">;
  /** What all remembered answers depend on: with another value, they are forgotten. */
  readonly basis: () => unknown;
  readonly extraHeaders: () => Readonly<Record<string, string>>;
}

interface Remembered extends HotAnswer {
  readonly etag: string;
  readonly headers: Readonly<Record<string, string | number>>;
}

/** Requests are chosen by clients, so their number and size are bounded. */
const ENTRIES_MAX = 1_000;
const URL_MAX = 512;
const HOST = /^[\w.:[\]-]+$/;

/**
 * Answers to GET requests by their URL, as long as the snapshot that they were made from is the newest. An answer that
 * was asked for before goes out without a look at routes, documents or JSON; the gate is asked each time.
 */
export class HotAnswers {
  readonly #options: HotOptions;
  readonly #answers = new Map<string, Remembered>();
  #current: unknown;

  constructor(options: HotOptions) {
    this.#options = options;
  }

  /** Keeps an answer that was made from the snapshot, if that is still the newest. */
  remember(url: string, basis: unknown, answer: HotAnswer): void {
    if (url.length > URL_MAX || basis !== this.#options.basis()) return;
    this.#refresh();
    if (this.#answers.size >= ENTRIES_MAX) this.#answers.clear();
    const etag = etagOf(answer.body);
    const headers = {
      "content-type": answer.contentType,
      "x-content-type-options": "nosniff",
      etag,
      "cache-control": "no-cache",
      "content-length": answer.body.length,
    };
    this.#answers.set(url, { ...answer, etag, headers });
  }

  /** Answers a request, or leaves it to whoever comes next: then nothing of it has been touched. */
  serve(request: Request, response: Response): boolean {
    const { method, url, headers } = request;
    if (method !== "GET" || url === undefined || headers.origin !== undefined) return false;
    if (headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined) return false;
    this.#refresh();
    const answer = this.#answers.get(url);
    if (!answer || !HOST.test(request.authority || headers.host || "")) return false;
    if (!admitKnown(this.#options.gate, answer.need, headers.authorization)) return false;
    const began = performance.now();
    const isKnown = headers["if-none-match"] !== undefined && matches(headers["if-none-match"], answer.etag);
    const requestId = headers["x-request-id"];
    const own = {
      "x-request-id": requestIdOf(typeof requestId === "string" ? requestId : undefined),
      ...this.#options.extraHeaders(),
    };
    if (isKnown) response.writeHead(304, { etag: answer.etag, "cache-control": "no-cache", ...own });
    else response.writeHead(200, { ...answer.headers, ...own });
    response.end(isKnown ? undefined : answer.body);
    this.#options.metrics.httpHandled(answer.route, isKnown ? 304 : 200, (performance.now() - began) / 1000);
    return true;
  }

  #refresh(): void {
    const basis = this.#options.basis();
    if (basis === this.#current) return;
    this.#answers.clear();
    this.#current = basis;
  }
}

/** The tag of an answer's content. */
export function etagOf(body: string | Uint8Array): string {
  return `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
}

/** Whether a condition names a tag. RFC 9110, 13.1.2: "*", or a list of tags; a weak tag compares as a strong one. */
export function matches(condition: string | undefined, etag: string): boolean {
  if (condition === undefined) return false;
  return (
    condition.trim() === "*" || condition.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag)
  );
}
