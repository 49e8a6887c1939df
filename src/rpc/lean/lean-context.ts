import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextKey,
  type ContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import type { CallEnd } from "../../data/event-import.ts";
import type { Caller } from "../../http/identity.ts";
import type { RequestHeaders } from "../../http2/request-head.ts";
import type { ServerStream } from "../../http2/server-stream.ts";
import { callerKey, endKey, requestIdKey } from "../call-context.ts";
import type { Framing } from "./framing.ts";

/** What a call is about, known before its body is read. */
export interface CallHead {
  readonly method: DescMethod;
  readonly framing: Framing;
  readonly stream: ServerStream;
  readonly headers: RequestHeaders;
  readonly requestId: string;
  readonly caller: Caller;
  /** Milliseconds that the client gives it; undefined: no bound of its own. */
  readonly timeoutMs: number | undefined;
  /** performance.now() when it came. */
  readonly began: number;
}

// Made when a handler first asks for the signal of a call that is over: it brings in what fetch is made of, a good part
// of the start and of an idle hub's memory.
let over: ConnectError | undefined;
function callIsOver(): ConnectError {
  over ??= new ConnectError("the call is over", Code.Canceled);
  return over;
}

/** The context of a handler, whose parts are made when they are first asked for: most handlers ask for none. */
export class LeanContext implements HandlerContext, CallEnd {
  readonly method: HandlerContext["method"];
  readonly service: HandlerContext["service"];
  readonly protocolName: string;
  readonly requestMethod = "POST";
  readonly #head: CallHead;
  onAbort: (() => void) | undefined;
  #ends: AbortController | undefined;
  #end: { readonly reason: unknown } | undefined;
  #requestHeader: Headers | undefined;
  #values: ContextValues | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;

  constructor(head: CallHead) {
    this.#head = head;
    this.method = head.method;
    this.service = head.method.parent;
    this.protocolName = head.framing.protocol;
  }

  get values(): ContextValues {
    this.#values ??= new LeanValues(this.#head, this);
    return this.#values;
  }

  get signal(): AbortSignal {
    if (!this.#ends) {
      this.#ends = new AbortController();
      if (this.#end) this.#ends.abort(this.#end.reason ?? callIsOver());
    }
    return this.#ends.signal;
  }

  /** Whether the call is over. */
  get aborted(): boolean {
    return this.#end !== undefined;
  }

  get url(): string {
    const { ":scheme": scheme, ":authority": authority, ":path": path } = this.#head.headers;
    return `${scheme ?? "http"}://${authority}${path}`;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= headersOf(this.#head.headers);
    return this.#requestHeader;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  /** What the handler has set, of headers and of trailers; undefined where it set none. */
  get said(): { readonly header: Headers | undefined; readonly trailer: Headers | undefined } {
    return { header: this.#responseHeader, trailer: this.#responseTrailer };
  }

  timeoutMs(): number | undefined {
    const { timeoutMs, began } = this.#head;
    return timeoutMs === undefined ? undefined : timeoutMs - (performance.now() - began);
  }

  /** Ends the handler's work, if it is not over yet: its signal is aborted with the reason. */
  end(reason?: unknown): void {
    if (this.#end) return;
    this.#end = { reason };
    this.#ends?.abort(reason ?? callIsOver());
    this.onAbort?.();
  }
}

/** What the gate has set of a call, where it stands, and what else is set. */
class LeanValues implements ContextValues {
  readonly #head: CallHead;
  readonly #end: CallEnd;
  #others: Map<symbol, unknown> | undefined;

  constructor(head: CallHead, end: CallEnd) {
    this.#head = head;
    this.#end = end;
  }

  get<Value>(key: ContextKey<Value>): Value {
    return (this.#others?.has(key.id) ? this.#others.get(key.id) : this.#known(key)) as Value;
  }

  set<Value>(key: ContextKey<Value>, value: Value): this {
    this.#others ??= new Map();
    this.#others.set(key.id, value);
    return this;
  }

  delete(key: ContextKey<unknown>): this {
    return this.set(key, key.defaultValue);
  }

  #known({ id, defaultValue }: ContextKey<unknown>): unknown {
    if (id === callerKey.id) return this.#head.caller;
    if (id === requestIdKey.id) return this.#head.requestId;
    return id === endKey.id ? this.#end : defaultValue;
  }
}

/** The headers of a request without HTTP/2's own. */
export function headersOf(incoming: RequestHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming)) {
    if (value !== undefined && !name.startsWith(":")) headers.append(name, value);
  }
  return headers;
}
