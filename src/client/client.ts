import { ConnectError } from "@connectrpc/connect";
import { HubError } from "../errors.ts";
import { pause } from "./backoff.ts";
import { TokenSource } from "./connection.ts";
import { Copy, type HubValue } from "./copy.ts";
import { Follower } from "./follower.ts";
import { Keeper } from "./keeper.ts";
import { LastGoodCopy } from "./last-good-copy.ts";
import { Listeners, newest } from "./listeners.ts";
import { type CheckedOptions, checkOptions, type HubClientOptions } from "./options.ts";
import { Reporter } from "./reporter.ts";

export type { BundledDocuments } from "./bundled.ts";
export type { Protocol, TlsOptions, Token } from "./connection.ts";
export type { HubValue, Source } from "./copy.ts";
export type { Apply } from "./keeper.ts";
export type { HubClientOptions } from "./options.ts";

const READY_TIMEOUT_MS = 30_000;
/** Time that `close` gives the reports that are still on their way. */
const LAST_REPORTS_MS = 1_000;

/** Starts to follow a hub. Throws a TypeError for options that cannot be; whatever else goes wrong is tried again. */
export function createHubClient(options: HubClientOptions): HubClient {
  return new HubClient(checkOptions(options));
}

/**
 * A service's view of the configuration: always the newest value that the service took, with where it comes from and
 * how old it is. It is kept up to date until `close`, whatever becomes of the hub.
 */
export class HubClient implements AsyncDisposable {
  /** This process's name in rollouts. */
  readonly instance: string;
  readonly #onError: (error: Error) => void;
  readonly #keeper: Keeper;
  readonly #reporter: Reporter;
  readonly #cache: LastGoodCopy | undefined;
  readonly #listeners = new Listeners<HubValue>((error) => this.#fail(error));
  readonly #stop = new AbortController();
  readonly #following: Promise<void>;
  readonly #grace: NodeJS.Timeout;
  #lastError: Error | undefined;
  #closing: Promise<void> | undefined;

  /** Callers use `createHubClient`. */
  constructor(options: CheckedOptions) {
    const { address, following, bundled, cacheDirectory } = options;
    this.#onError = options.onError;
    this.instance = following.instance;
    const onError = (error: unknown): void => this.#fail(error);
    const key = { url: address.url, ...following };
    this.#cache = cacheDirectory === undefined ? undefined : new LastGoodCopy(cacheDirectory, key, onError);
    const cached = this.#cache?.load();
    const fallbacks = [cached, bundled].filter((copy) => copy !== undefined);
    const tokens = new TokenSource(options.token);
    this.#reporter = new Reporter(following, tokens, onError);
    this.#keeper = new Keeper(options.apply, cached, fallbacks, {
      changed: (value) => {
        clearTimeout(this.#grace);
        this.#listeners.emit(value);
      },
      accepted: (copy) => {
        this.#cache?.save(copy);
        this.#reporter.report(copy);
      },
      rejected: (copy, reason) => this.#reporter.report(copy, reason),
      failed: onError,
    });
    const follower = new Follower(address, tokens, following, cached?.header, options, {
      snapshot: (header, nonce, snapshot) => this.#keeper.offer(new Copy("live", nonce, header, snapshot)),
      bookmark: (header, first) => this.#confirmed(header, first),
      connected: (connection) => this.#reporter.connected(connection),
      disconnected: (error) => {
        this.#reporter.disconnected();
        this.#fail(error);
        this.#keeper.fallBack();
      },
    });
    this.#grace = setTimeout(() => this.#keeper.fallBack(), options.graceMs);
    this.#following = follower.run(this.#stop.signal);
  }

  /** The value that the service runs on; undefined before the first. */
  current(): HubValue | undefined {
    return this.#keeper.current?.toValue();
  }

  /**
   * The value, as soon as there is one: the hub's, else after a short grace the copy on disk, else the bundled one.
   * Throws a HubError with DEADLINE_EXCEEDED when there is none in time, and with SHUTTING_DOWN after `close`.
   */
  async ready(timeoutMs = READY_TIMEOUT_MS): Promise<HubValue> {
    const value = this.current();
    if (value) return value;
    const enough = new AbortController();
    const first = new Promise<HubValue>((resolve) => {
      const stop = this.#listeners.add(resolve);
      enough.signal.addEventListener("abort", stop, { once: true });
    });
    try {
      const signal = AbortSignal.any([enough.signal, this.#stop.signal]);
      const found = await Promise.race([first, pause(timeoutMs, signal)]);
      if (found) return found;
    } finally {
      enough.abort();
    }
    if (this.#stop.signal.aborted) throw new HubError("SHUTTING_DOWN", "the client is closed");
    const why = this.#lastError ? `: ${this.#lastError.message}` : "";
    throw new HubError("DEADLINE_EXCEEDED", `no configuration within ${timeoutMs} ms${why}`, {
      cause: this.#lastError,
    });
  }

  /** Calls back with each new value, from the next on. Returns the way to stop. */
  onChange(listener: (value: HubValue) => unknown): () => void {
    return this.#listeners.add(listener);
  }

  /** The current value and each new one until `close`; a slow reader gets the newest. */
  [Symbol.asyncIterator](): AsyncGenerator<HubValue, void> {
    return newest(() => this.current(), this.#listeners, this.#stop.signal);
  }

  /** Stops following and gives everything back. The current value stays readable. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#grace);
    this.#keeper.close();
    await this.#reporter.drain(LAST_REPORTS_MS);
    this.#reporter.disconnected();
    this.#stop.abort();
    await this.#following;
    await this.#cache?.settled();
  }

  #confirmed(header: HubValue["header"], first: boolean): boolean {
    const isKnown = this.#keeper.confirm(header, first);
    const { current, latest } = this.#keeper;
    if (isKnown && current && current === latest) this.#cache?.refresh(current);
    return isKnown;
  }

  #fail(reason: unknown): void {
    const error = reason instanceof Error ? reason : ConnectError.from(reason);
    this.#lastError = error;
    // Whoever listens may throw; that is no reason to stop.
    void (async () => this.#onError(error))().catch(() => {});
  }
}
