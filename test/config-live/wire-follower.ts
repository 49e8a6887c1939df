import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import {
  ConfigService,
  type WatchMessagingConfigResponse,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import type { DocumentTexts } from "../../src/config/document-set.ts";
import { expectedOf, type Follower } from "./tiny.ts";
import { WatchChecker } from "./watch-checker.ts";

/** The ways over which a watch is followed. */
export const WAYS: Record<string, (baseUrl: string) => Transport> = {
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  "Connect over HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect in JSON over HTTP/1.1": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "gRPC-Web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
};

type Event =
  | { readonly connect: bigint | undefined }
  | { readonly message: WatchMessagingConfigResponse; readonly at: number };

/**
 * Follows a hub over real sockets for as long as it is told to, and comes back from where it was whenever the stream
 * ends. What it sees is noted, and judged at the end, when the history is known.
 */
export class WireFollower {
  readonly events: Event[] = [];
  /** Codes of the errors that ended its streams. */
  readonly ends: string[] = [];
  readonly #follower: Follower;
  readonly #transport: Transport;
  readonly #readMs: () => number;
  #stream = new AbortController();
  #isStopped = false;
  #done: Promise<void>;

  /** `readMs` is how long it takes over a message. */
  constructor(transport: Transport, follower: Follower, readMs: () => number = () => 0) {
    this.#transport = transport;
    this.#follower = follower;
    this.#readMs = readMs;
    this.#done = this.#run();
  }

  get newest(): bigint {
    const last = this.events.findLast((event) => "message" in event);
    return last?.message.header?.revision ?? 0n;
  }

  /** Cuts the connection; it comes back by itself. */
  cut(): void {
    this.#stream.abort();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.cut();
    await this.#done;
  }

  /** Throws WatchFault for the first promise that was broken. */
  judge(history: ReadonlyMap<bigint, DocumentTexts>): void {
    const first = this.events.find((event) => "message" in event);
    const checker = new WatchChecker({
      epoch: first?.message.header?.epoch ?? "",
      stateAt: (revision) => {
        const texts = history.get(revision);
        if (!texts) throw new Error(`revision ${revision} is not in the history`);
        return expectedOf(texts, this.#follower);
      },
      hasRefused: () => false,
    });
    for (const event of this.events) {
      if ("connect" in event) checker.connect(event.connect);
      else checker.take(event.message);
    }
    checker.expectCurrent([...history.keys()].reduce((a, b) => (a > b ? a : b)));
  }

  async #run(): Promise<void> {
    const client = createClient(ConfigService, this.#transport);
    let resume: { epoch: string; revision: bigint } | undefined;
    while (!this.#isStopped) {
      this.#stream = new AbortController();
      const { signal } = this.#stream;
      let isFirst = true;
      try {
        const request = {
          ...this.#follower,
          systems: [...this.#follower.systems],
          ...(resume ? { resume } : {}),
        };
        for await (const message of client.watchMessagingConfig(request, { signal })) {
          // A stream that ends before its first message told nothing.
          if (isFirst) this.events.push({ connect: resume?.revision });
          isFirst = false;
          this.events.push({ message, at: performance.now() });
          const { header } = message;
          if (header) resume = { epoch: header.epoch, revision: header.revision };
          const ms = this.#readMs();
          if (ms > 0) await sleep(ms);
        }
        this.ends.push("the end");
      } catch (error) {
        const { code } = ConnectError.from(error);
        this.ends.push(Code[code]);
        if (code === Code.OutOfRange) resume = undefined;
        else if (code !== Code.Canceled) await sleep(20);
      }
    }
  }
}

/** Every revision's documents, as the hub tells them. */
export async function historyOf(transport: Transport): Promise<Map<bigint, DocumentTexts>> {
  const client = createClient(ReleaseService, transport);
  const newest = (await client.getRevision({})).revision?.revision ?? 0n;
  const history = new Map<bigint, DocumentTexts>();
  for (let revision = 1n; revision <= newest; revision++) {
    const answer = await client.getRevision({ revision });
    history.set(revision, new Map(Object.entries(answer.revision?.documents ?? {})));
  }
  return history;
}
