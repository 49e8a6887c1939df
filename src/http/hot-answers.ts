import { isAscii } from "node:buffer";
import { createHash } from "node:crypto";
import { admitKnown, type Caller, type IdentityGate, type Need } from "./identity.ts";
import type { Request, Response } from "./listener.ts";
import { requestIdOf } from "./request-id.ts";

/** What an answer to a GET is made of. */
export interface HotAnswer {
  /** What a caller must hold. */
  readonly need: Need;
  readonly contentType: string;
  readonly body: Buffer;
  /** Whether it is left to others for a client that takes gzip. */
  readonly isForGzip?: boolean;
  /** Counts a call that was answered with it. */
  ended(status: number, call: Answered): void;
}

/** A call that has been answered. */
export interface Answered {
  readonly requestId: string;
  readonly caller: Caller;
  /** performance.now() when it began. */
  readonly began: number;
}

/** What is needed to answer. */
export interface HotOptions {
  readonly gate: IdentityGate;
  /** What all remembered answers depend on: with another value, they are forgotten. */
  readonly basis: () => unknown;
  readonly extraHeaders: () => Readonly<Record<string, string>>;
}

interface Remembered extends HotAnswer {
  readonly etag: string;
  /** Names and values by turns. */
  readonly headers: readonly string[];
  /** The body where it is ASCII: Node writes a text and what stands before it as one piece. */
  readonly text: string | undefined;
}

/** What the headers of a request say that matters here. */
interface Head {
  readonly raw: readonly string[];
  /** Whether nothing in it asks for more than the answer. */
  readonly isPlain: boolean;
  readonly takesGzip: boolean;
  readonly authorization: string | undefined;
  readonly condition: string | undefined;
  readonly requestId: string | undefined;
}

/** Requests are chosen by clients, so their number and size are bounded. */
const ENTRIES_MAX = 1_000;
const URL_MAX = 512;
/** Headers by which a request is out of the ordinary. */
const UNUSUAL = ["origin", "content-length", "transfer-encoding", "expect", "connect-timeout-ms"] as const;
const HOST = /^[\w.:[\]-]+$/;

/**
 * Answers to GET requests by their URL, as long as the snapshot that they were made from is the newest. An answer that
 * was asked for before goes out without a look at routes, documents or JSON; the gate is asked each time.
 */
export class HotAnswers {
  readonly #options: HotOptions;
  readonly #answers = new Map<string, Remembered>();
  // Whoever asks again on a connection of HTTP/1.1 mostly does so with the same headers.
  readonly #heads = new WeakMap<object, Head>();
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
    const headers = [
      ...["content-type", answer.contentType, "x-content-type-options", "nosniff", "etag", etag],
      ...["cache-control", "no-cache", "content-length", String(answer.body.length)],
    ];
    const text = answer.body.toString("latin1");
    this.#answers.set(url, { ...answer, etag, headers, text: isAscii(answer.body) ? text : undefined });
  }

  /** Answers a request, or leaves it to whoever comes next: then nothing of it has been touched. */
  serve(request: Request, response: Response): boolean {
    const { method, url } = request;
    if (method !== "GET" || url === undefined) return false;
    this.#refresh();
    const answer = this.#answers.get(url);
    if (!answer) return false;
    const connection = request.httpVersionMajor === 1 ? request.socket : undefined;
    const head = this.#headOf(request, connection);
    if (!head.isPlain || (answer.isForGzip && head.takesGzip)) return false;
    const caller = admitKnown(this.#options.gate, answer.need, head.authorization, connection);
    if (!caller) return false;
    const began = performance.now();
    const isKnown = matches(head.condition, answer.etag);
    const headers = isKnown ? ["etag", answer.etag, "cache-control", "no-cache"] : [...answer.headers];
    const requestId = requestIdOf(head.requestId);
    headers.push("x-request-id", requestId);
    const more = this.#options.extraHeaders();
    for (const name in more) headers.push(name, more[name] ?? "");
    response.writeHead(isKnown ? 304 : 200, headers);
    if (isKnown) response.end();
    else if (answer.text !== undefined) response.end(answer.text, "latin1");
    else response.end(answer.body);
    answer.ended(isKnown ? 304 : 200, { requestId, caller, began });
    return true;
  }

  #headOf(request: Request, connection: object | undefined): Head {
    if (!connection) return headOf(request);
    const before = this.#heads.get(connection);
    if (before && isSame(before.raw, request.rawHeaders)) return before;
    const head = headOf(request);
    this.#heads.set(connection, head);
    return head;
  }

  #refresh(): void {
    const basis = this.#options.basis();
    if (basis === this.#current) return;
    this.#answers.clear();
    this.#current = basis;
  }
}

function headOf({ headers, rawHeaders, authority }: Request): Head {
  const requestId = headers["x-request-id"];
  const isMore = UNUSUAL.some((name) => headers[name] !== undefined);
  return {
    raw: rawHeaders,
    isPlain: !isMore && HOST.test(authority || headers.host || ""),
    takesGzip: String(headers["accept-encoding"] ?? "").includes("gzip"),
    authorization: headers.authorization,
    condition: headers["if-none-match"],
    requestId: typeof requestId === "string" ? requestId : undefined,
  };
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
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
