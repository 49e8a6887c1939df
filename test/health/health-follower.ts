import type { WatchHealthResponse } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import type { HealthBoard } from "../../src/health/health-board.ts";
import { EMPTY, type Platform } from "./fake-health.ts";

/** A client that reads when it is told to and keeps the state that the messages add up to. */
export class HealthFollower {
  readonly messages: WatchHealthResponse[] = [];
  readonly state: Platform = structuredClone(EMPTY);
  ended: unknown;
  readonly #stop = new AbortController();
  readonly #source: AsyncGenerator<WatchHealthResponse>;
  #pending: Promise<void> | undefined;

  constructor(board: HealthBoard, version = "") {
    this.#source = board.watch({ version }, this.#stop.signal);
  }

  /** Asks for the next message, if none has been asked for, and gives it time to come. */
  async read(): Promise<void> {
    this.#pending ??= this.#next();
    await settle();
  }

  /** Reads until nothing more comes at once. */
  async catchUp(): Promise<void> {
    for (let before = -1; before < this.messages.length; ) {
      before = this.messages.length;
      await this.read();
    }
  }

  /** Goes away, as a client that closes its connection. */
  leave(): void {
    this.#stop.abort();
  }

  async #next(): Promise<void> {
    try {
      const next = await this.#source.next();
      if (next.done) this.ended = "the end";
      else this.#apply(next.value);
    } catch (error) {
      this.ended = error;
    }
    this.#pending = undefined;
  }

  #apply(message: WatchHealthResponse): void {
    const last = this.messages.at(-1);
    if (message.complete !== (last === undefined)) throw new Error("only the first message is complete");
    if (last && message.sequence <= last.sequence) throw new Error("the sequence does not increase");
    this.messages.push(message);
    for (const { name, verdict } of message.components) this.state.component[name] = verdict;
    for (const { name, verdict } of message.services) this.state.service[name] = verdict;
    for (const { name, status } of message.topics) this.state.topic[name] = status;
    for (const { name, status } of message.streams) this.state.stream[name] = status;
    for (const { name, status } of message.groups) this.state.group[name] = status;
    // Also of what came and went since the message before, which is no surprise to a client.
    for (const { kind, name } of message.removed) delete this.state[kind as keyof Platform][name];
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The message in short: what it holds, by name. */
export function inShort(message: WatchHealthResponse): string {
  const { components, services, topics, streams, groups, removed } = message;
  const names = [...components, ...services, ...topics, ...streams, ...groups].map(({ name }) => name);
  return [...names, ...removed.map(({ kind, name }) => `no ${kind} ${name}`)].join(" ");
}
