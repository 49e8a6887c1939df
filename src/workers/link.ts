import { HubError, type Reason } from "../errors.ts";

/** One end of the channel between two processes; what is sent may hold maps and bigints. */
export interface LinkPort {
  send(message: object, onSent: (error: Error | null) => void): void;
  on(event: "message", listener: (message: object) => void): unknown;
}

type Args<Method> = Method extends (...args: infer All) => unknown ? All : never;
type Result<Method> = Method extends (...args: never[]) => infer One ? Awaited<One> : never;

interface Call {
  readonly call: string;
  readonly id: number;
  readonly args: readonly unknown[];
}

interface Reply {
  readonly reply: number;
  readonly value?: unknown;
  readonly error?: SentError;
}

interface SentError {
  readonly message: string;
  readonly reason?: Reason;
  readonly metadata?: Record<string, string>;
  readonly retryAfterMs?: number | undefined;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Two processes that call each other's methods over a channel that keeps the order of what is sent. `Theirs` are those
 * of the other side; whatever their results are here, there they may be promises.
 */
export class Link<Theirs extends object> {
  readonly #port: LinkPort;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #closed: Error | undefined;

  /** `ours` is what the other side may call. */
  constructor(port: LinkPort, ours: object) {
    this.#port = port;
    port.on("message", (message) => {
      if ("call" in message) void this.#answer(message as Call, ours as Record<string, unknown>);
      else if ("reply" in message) this.#take(message as Reply);
    });
  }

  /** Calls a method of the other side. Rejects with what it throws, and when the other side is gone. */
  call<Name extends keyof Theirs & string>(
    name: Name,
    ...args: Args<Theirs[Name]>
  ): Promise<Result<Theirs[Name]>> {
    const closed = this.#closed;
    if (closed) return Promise.reject(closed);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ call: name, id, args } satisfies Call, (error) => {
        if (this.#waiting.delete(id)) reject(error);
      });
    });
  }

  /** Rejects what is waited for, and whatever is called from now on. */
  close(why: string): void {
    this.#closed ??= new Error(why);
    for (const { reject } of this.#waiting.values()) reject(this.#closed);
    this.#waiting.clear();
  }

  async #answer({ call, id, args }: Call, ours: Record<string, unknown>): Promise<void> {
    const method = ours[call];
    let reply: Reply;
    try {
      if (typeof method !== "function") throw new Error(`there is no "${call}" to call`);
      reply = { reply: id, value: await method.apply(ours, args) };
    } catch (error) {
      reply = { reply: id, error: toSent(error) };
    }
    // Who is gone needs no answer.
    this.#send(reply, () => {});
  }

  #take({ reply, value, error }: Reply): void {
    const waiting = this.#waiting.get(reply);
    this.#waiting.delete(reply);
    if (error) waiting?.reject(fromSent(error));
    else waiting?.resolve(value as never);
  }

  #send(message: object, onFailure: (error: Error) => void): void {
    try {
      this.#port.send(message, (error) => {
        if (error) onFailure(error);
      });
    } catch (error) {
      onFailure(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

function toSent(error: unknown): SentError {
  if (!(error instanceof HubError))
    return { message: error instanceof Error ? error.message : String(error) };
  const { message, reason, metadata, retryAfterMs } = error;
  return { message, reason, metadata, retryAfterMs };
}

function fromSent({ message, reason, metadata = {}, retryAfterMs }: SentError): Error {
  if (!reason) return new Error(message);
  return new HubError(reason, message, { metadata, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}
