import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { HubError, requestTooLarge } from "../../errors.ts";
import { reportCall } from "../call-report.ts";
import { toConnectError } from "../error-mapping.ts";
import { goodEnd } from "./framing.ts";
import type { LeanCall } from "./lean-call.ts";
import { type CallHead, LeanContext } from "./lean-context.ts";
import type { LeanOptions } from "./lean-path.ts";
import { fieldsOf, throughConnect, untilTaken, writeAnswer } from "./through-connect.ts";

const GOOD_TRAILERS = ["grpc-status", "0"];
const NOTHING_SAID = { header: undefined, trailer: undefined };

/** One call on the lean path, from its whole request to its end. */
export class LeanRun {
  readonly #call: LeanCall;
  #head: CallHead;
  readonly #options: LeanOptions;
  readonly #open: Set<LeanRun>;
  #context: LeanContext | undefined;

  constructor(call: LeanCall, head: CallHead, options: LeanOptions, open: Set<LeanRun>) {
    this.#call = call;
    this.#head = head;
    this.#options = options;
    this.#open = open;
  }

  /** Answers the request. */
  start(message: Buffer, body: Buffer): void {
    const { framing } = this.#head;
    const { cache } = this.#call;
    const known = cache?.get(framing, message);
    // Connect compresses what is large, for those who take that.
    if (known && known.length >= this.#options.compressMinBytes && this.#takesGzip()) {
      this.leaveToConnect(body);
      return;
    }
    if (known) {
      this.#begun();
      this.#ended(undefined);
      this.#send(known);
      return;
    }
    const input = this.#call.read(framing, message);
    if (!input) {
      this.leaveToConnect(body);
      return;
    }
    this.#begun();
    if (this.#call.method.methodKind === "server_streaming") this.#head = lasting(this.#head);
    this.#context = new LeanContext(this.#head);
    this.#open.add(this);
    this.#head.stream.on("close", this.#onClose);
    const work = this.#call.method.methodKind === "unary" ? this.#unary(input, message) : this.#stream(input);
    void work.catch((error: unknown) =>
      this.#options.logger.debug({ err: error }, "an answer did not arrive"),
    );
  }

  /** Has Connect answer a request that has not been run. */
  leaveToConnect(body: Buffer): void {
    void this.#throughConnect(body).catch((error: unknown) =>
      this.#options.logger.debug({ err: error }, "an answer did not arrive"),
    );
  }

  /** Refuses a request of which no more is read. */
  refuseTooLarge(): void {
    this.#begun();
    void this.#fail(requestTooLarge(this.#options.readMaxBytes), false).catch(() => {});
  }

  /** Ends the handler's work. */
  abort(reason: unknown): void {
    this.#context?.end(reason);
  }

  readonly #onClose = (): void => {
    this.#open.delete(this);
    this.#context?.end(new ConnectError("the client has left", Code.Canceled));
  };

  async #unary(input: Message, message: Buffer): Promise<void> {
    const { framing } = this.#head;
    const context = this.#context as LeanContext;
    let frame: Buffer;
    try {
      const output = this.#call.invoke(input, context);
      frame = this.#call.layOut(framing, output instanceof Promise ? await this.#inTime(output) : output);
    } catch (error) {
      await this.#fail(error, false);
      return;
    }
    const { header, trailer } = context.said;
    if (!header && !trailer) this.#call.cache?.set(framing, message, frame);
    this.#ended(undefined);
    this.#send(frame, context);
  }

  async #stream(input: Message): Promise<void> {
    const { stream, framing, timeoutMs } = this.#head;
    const context = this.#context as LeanContext;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.abort(outOfTime()), timeoutMs);
    let hasBegun = false;
    try {
      for await (const output of this.#call.invoke(input, context) as AsyncIterable<object>) {
        const frame = this.#call.layOutShared(framing, output);
        if (stream.closed) break;
        if (!hasBegun) this.#respond(context);
        hasBegun = true;
        if (!stream.write(frame)) await untilTaken(stream);
        if (stream.closed) break;
      }
      this.#ended(undefined);
      if (!hasBegun) this.#respond(context);
      this.#finish(context);
    } catch (error) {
      await this.#fail(error, hasBegun);
    } finally {
      clearTimeout(timer);
    }
  }

  #respond(context: LeanContext | undefined, length?: number): void {
    const { stream, framing } = this.#head;
    const { header: own, trailer } = context?.said ?? NOTHING_SAID;
    const header = this.#header(length);
    if (own) for (const [name, value] of own) put(header, name, value);
    // Connect's unary answers have their trailers among the headers.
    if (trailer && !framing.isEnveloped) {
      for (const [name, value] of trailer) put(header, `trailer-${name}`, value);
    }
    stream.respond(header);
  }

  #header(length: number | undefined): string[] {
    const { framing, requestId } = this.#head;
    const header = [":status", "200", "content-type", framing.contentType, "x-request-id", requestId];
    const more = this.#options.extraHeaders();
    for (const name in more) header.push(name, more[name] ?? "");
    if (length !== undefined) header.push("content-length", String(length));
    return header;
  }

  #send(frame: Buffer, context?: LeanContext): void {
    const { stream, framing } = this.#head;
    this.#respond(context, framing.isEnveloped ? undefined : frame.length);
    if (framing.protocol !== "grpc" && framing.isEnveloped) stream.write(frame);
    this.#finish(context, framing.protocol === "grpc" || !framing.isEnveloped ? frame : undefined);
  }

  #finish(context: LeanContext | undefined, last?: Buffer): void {
    const { stream, framing } = this.#head;
    const trailer = context?.said.trailer;
    if (framing.protocol !== "grpc") stream.end(last ?? goodEnd(framing, trailer));
    else stream.end(last, trailer ? [...fieldsOf(trailer), ...GOOD_TRAILERS] : GOOD_TRAILERS);
  }

  // Connect lays the error out; what stands before it on the stream stays.
  async #fail(error: unknown, hasBegun: boolean): Promise<void> {
    const { stream, requestId } = this.#head;
    const mapped = toConnectError(error, requestId);
    this.#ended(mapped);
    if (stream.closed) return;
    const failure = {
      error: mapped,
      requestId,
      ...(this.#context?.said ?? NOTHING_SAID),
    };
    const answer = await throughConnect(this.#call.connect, this.#toConnect(), only([]), failure);
    if (!hasBegun) return await writeAnswer(answer, stream);
    for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) stream.write(chunk);
    stream.end(undefined, answer.trailer && fieldsOf(answer.trailer));
  }

  async #throughConnect(body: Buffer): Promise<void> {
    const { stream } = this.#head;
    const answer = await throughConnect(this.#call.connect, this.#toConnect(), only([body]));
    await writeAnswer(answer, stream);
  }

  #toConnect() {
    const { headers, stream } = this.#head;
    const left = new AbortController();
    stream.once("close", () => left.abort());
    return { headers, signal: left.signal };
  }

  #inTime(output: Promise<unknown>): Promise<unknown> {
    const own = this.#options.deadlineMsOf(this.#call);
    const { timeoutMs } = this.#head;
    if (own === 0 && timeoutMs === undefined) return output;
    const isOwn = own > 0 && (timeoutMs === undefined || own < timeoutMs);
    return new Promise((resolve, reject) => {
      const late = (): void => {
        this.abort(outOfTime());
        const text = `the call took longer than the hub's ${own} ms; try again`;
        reject(isOwn ? new HubError("DEADLINE_EXCEEDED", text) : outOfTime());
      };
      const timer = setTimeout(late, isOwn ? own : timeoutMs);
      output.then(
        (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
  }

  #takesGzip(): boolean {
    const { headers, framing } = this.#head;
    const name = framing.protocol === "connect" ? "accept-encoding" : "grpc-accept-encoding";
    return String(headers[name] ?? "").includes("gzip");
  }

  #begun(): void {
    const { method } = this.#head;
    this.#options.metrics.rpcStarted(method.parent.typeName, method.name);
  }

  #ended(error: unknown): void {
    const { method, requestId, caller, began } = this.#head;
    const call = {
      service: method.parent.typeName,
      method: method.name,
      requestId,
      caller: caller.subject,
      began,
    };
    reportCall(this.#options.logger, this.#options.metrics, call, error);
    if (!this.#context) return;
    this.#open.delete(this);
    this.#head.stream.off("close", this.#onClose);
    this.#context.end();
  }
}

// What is kept of a call as long as its answer goes on. Its token has done its work, and Node's own object of headers is
// many times the size of one like all others.
function lasting(head: CallHead): CallHead {
  const { authorization: _authorization, ...headers } = head.headers;
  return { ...head, headers };
}

// Names and values by turns, each name once.
function put(header: string[], name: string, value: string): void {
  const at = header.findIndex((item, index) => index % 2 === 0 && item === name);
  if (at === -1) header.push(name, value);
  else header[at + 1] = value;
}

function outOfTime(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

async function* only(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}
