import { Code, ConnectError } from "@connectrpc/connect";
import type { ConfigHeader } from "../../gen/centralhub/config/v1/config_pb.ts";
import type {
  MessagingSnapshot,
  WatchMessagingConfigResponse,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { delayAfter, pause } from "./backoff.ts";
import { type Address, type Connection, connect, type TokenSource } from "./connection.ts";

/** What to follow. */
export interface Following {
  readonly systems: string[];
  readonly service: string;
  readonly instance: string;
  readonly version: string;
}

/** What the follower tells the rest of the client. */
export interface FollowerEvents {
  snapshot(header: ConfigHeader, nonce: string, snapshot: MessagingSnapshot): void;
  /** `first` for the first message of a connection. False when the client's newest content is another one. */
  bookmark(header: ConfigHeader, first: boolean): boolean;
  /** The hub has spoken on this connection. */
  connected(connection: Connection): void;
  /** The connection is gone, or never came to be; it is tried again. */
  disconnected(error: Error): void;
}

/** Times in milliseconds. */
interface Timing {
  /** Time without a message after which the connection is held for dead. */
  readonly livenessMs: number;
}

/** Time for the first message: longer than a hub that is behind waits until it has caught up. */
const FIRST_MESSAGE_MS = 15_000;
/** Life of a connection after which the failures before it count no more. */
const STEADY_MS = 10_000;
/** Epochs whose newest revision is remembered. */
const EPOCHS_MAX = 16;

/** What the hub sent cannot be: it is another hub, or one that is behind. */
class Mistrust extends Error {
  override readonly name = "Mistrust";
  /** Whether to start again without a resume point. */
  readonly anew: boolean;
  constructor(message: string, anew: boolean) {
    super(message);
    this.anew = anew;
  }
}

function codeOf(error: ConnectError | Mistrust): Code | undefined {
  return error instanceof Mistrust ? undefined : error.code;
}

/** Follows a hub over as many connections as it takes: resumes, never goes back, and stops at nothing but the signal. */
export class Follower {
  readonly #address: Address;
  readonly #tokens: TokenSource;
  readonly #following: Following;
  readonly #timing: Timing;
  readonly #events: FollowerEvents;
  /** The newest revision of each epoch that was seen. */
  readonly #floors = new Map<string, bigint>();
  #resume: ConfigHeader | undefined;

  /** `known` is the header of what the client has already. */
  constructor(
    address: Address,
    tokens: TokenSource,
    following: Following,
    known: ConfigHeader | undefined,
    timing: Timing,
    events: FollowerEvents,
  ) {
    this.#address = address;
    this.#tokens = tokens;
    this.#following = following;
    this.#timing = timing;
    this.#events = events;
    if (known) this.#reach(known);
  }

  /** Follows until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let wasRefused = false;
    while (!signal.aborted) {
      const isResumed = this.#resume !== undefined;
      const start = performance.now();
      const error = await this.#connection(signal);
      if (signal.aborted) return;
      this.#events.disconnected(error);
      if (performance.now() - start > STEADY_MS) failures = 0;
      const isRefused = codeOf(error) === Code.Unauthenticated && this.#tokens.refuse();
      const isGone = isResumed && codeOf(error) === Code.OutOfRange;
      if (isGone || (error instanceof Mistrust && error.anew)) this.#resume = undefined;
      // What the next try does differently needs no wait.
      const atOnce = isGone || (isRefused && !wasRefused);
      wasRefused = isRefused;
      if (!atOnce) await pause(delayAfter(error, failures++), signal);
    }
  }

  // One connection, to its end; gives what ended it.
  async #connection(signal: AbortSignal): Promise<ConnectError | Mistrust> {
    const silence = new AbortController();
    const { livenessMs } = this.#timing;
    const onSilence = (): void =>
      silence.abort(new ConnectError("no sign of life from the hub", Code.Unavailable));
    let timer = setTimeout(onSilence, Math.min(livenessMs, FIRST_MESSAGE_MS));
    const connection = connect(this.#address, this.#tokens);
    const resume = this.#resume && { epoch: this.#resume.epoch, revision: this.#resume.revision };
    const request = resume ? { ...this.#following, resume } : this.#following;
    const options = { signal: AbortSignal.any([signal, silence.signal]) };
    try {
      let first = true;
      for await (const message of connection.client.watchMessagingConfig(request, options)) {
        clearTimeout(timer);
        if (signal.aborted) break;
        timer = setTimeout(onSilence, livenessMs);
        this.#take(message, first);
        if (first) this.#events.connected(connection);
        first = false;
      }
      return new ConnectError("the hub ended the stream", Code.Unavailable);
    } catch (error) {
      if (error instanceof Mistrust) return error;
      return silence.signal.aborted ? silence.signal.reason : ConnectError.from(error);
    } finally {
      clearTimeout(timer);
      // Leaving the loop does not end the call.
      silence.abort();
      connection.close();
    }
  }

  #take({ header, nonce, event }: WatchMessagingConfigResponse, first: boolean): void {
    if (!header?.epoch) throw new Mistrust("the hub sent a message without a header", false);
    const { epoch, revision } = header;
    if (this.#resume && epoch !== this.#resume.epoch) {
      throw new Mistrust(
        `the hub went from epoch "${this.#resume.epoch}" to "${epoch}" without a word`,
        true,
      );
    }
    const floor = this.#floors.get(epoch) ?? 0n;
    if (revision < floor) {
      throw new Mistrust(
        `the hub is at revision ${revision}, which is older than ${floor}, seen before`,
        false,
      );
    }
    if (event.case === "snapshot") {
      this.#reach(header);
      this.#events.snapshot(header, nonce, event.value);
    } else if (this.#events.bookmark(header, first)) this.#reach(header);
    else throw new Mistrust("the hub takes this client to have another content than it has", true);
  }

  #reach(header: ConfigHeader): void {
    const { epoch, revision } = header;
    this.#resume = header;
    this.#floors.delete(epoch);
    this.#floors.set(epoch, revision);
    const [oldest] = this.#floors.keys();
    if (this.#floors.size > EPOCHS_MAX && oldest !== undefined) this.#floors.delete(oldest);
  }
}
