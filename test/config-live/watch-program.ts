import { vi } from "vitest";
import type { WatchMessagingConfigResponse } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { HubError } from "../../src/errors.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { expectedOf, type Follower, fileOf, flagsOf, SLOTS, textOf } from "./tiny.ts";
import { WatchChecker, WatchFault } from "./watch-checker.ts";
import { type CoreHub, LIMITS, type MakeWatch, settle, startCore } from "./watch-hub.ts";
import { FOLLOWERS, type Step } from "./watch-steps.ts";

/** Runs a program against a watch and throws WatchFault when a client was shown what it should not have been. */
export async function runProgram(steps: readonly Step[], make?: MakeWatch): Promise<void> {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const world = new World(make);
  try {
    await world.start();
    for (const step of steps) await world.run(step);
    await world.expectAllCurrent();
  } finally {
    world.end();
    vi.useRealTimers();
  }
}

class World {
  readonly #revisions = new MemoryRevisions();
  readonly #make: MakeWatch | undefined;
  readonly #readers: Reader[];
  #hub: CoreHub | undefined;

  constructor(make: MakeWatch | undefined) {
    this.#make = make;
    this.#readers = FOLLOWERS.map((follower) => new Reader(follower, this.#revisions));
  }

  get #running(): CoreHub {
    if (!this.#hub) throw new Error("the hub is down");
    return this.#hub;
  }

  async start(): Promise<void> {
    this.#hub = await startCore(this.#revisions, LIMITS, this.#make);
  }

  end(): void {
    for (const reader of this.#readers) reader.leave();
    this.#hub?.stop();
  }

  async run(step: Step): Promise<void> {
    const reader = "client" in step ? this.#readers[step.client] : undefined;
    switch (step.do) {
      case "publish": {
        const texts = step.slots.map(
          (slot) => [fileOf(slot), textOf(slot, step.value, step.spaces)] as const,
        );
        await this.#publish(new Map(texts));
        break;
      }
      case "flags":
        await this.#publish(new Map([["flags.json", flagsOf(step)]]));
        break;
      case "rollback": {
        const { newest } = this.#revisions;
        const target = newest - BigInt(step.back);
        await this.#running.desk.rollback(target > 0n ? target : 1n, newest, "test", "");
        break;
      }
      case "read":
        for (let turn = 0; turn < step.messages; turn++) await reader?.read();
        break;
      case "leave":
        reader?.leave();
        break;
      case "come":
        await reader?.come(this.#running, step.from);
        break;
      case "refuse":
        reader?.refuse(this.#running);
        break;
      case "wait":
        for (let passed = 0; passed < step.ms; passed += 5_000) {
          vi.advanceTimersByTime(5_000);
          await settle();
          for (const one of this.#readers) one.expectSignOfLife();
        }
        break;
      case "restart":
        this.end();
        await settle();
        for (const one of this.#readers) one.forgetRefusals();
        await this.start();
        break;
    }
    await settle();
    for (const one of this.#readers) one.expectNoFault();
  }

  // Readers that wait for a message have it without any time passing; the others find it when they come back.
  async expectAllCurrent(): Promise<void> {
    for (const reader of this.#readers) {
      if (!reader.isOpen) await reader.come(this.#running, "last");
      await reader.drain();
      reader.expectCurrent();
    }
    await this.#publish(new Map(SLOTS.map((slot) => [fileOf(slot), textOf(slot, "last")])));
    await settle();
    for (const reader of this.#readers) {
      await reader.drain();
      reader.expectCurrent();
    }
  }

  async #publish(documents: Map<string, string>): Promise<void> {
    const expectedRevision = this.#revisions.newest;
    const proposal = { documents, removedFiles: [], expectedRevision, author: "test", comment: "" };
    await this.#running.desk.publish(proposal);
  }
}

/** A client that reads when it is told to, and not before. */
class Reader {
  readonly #follower: Follower;
  readonly #revisions: MemoryRevisions;
  readonly #checker: WatchChecker;
  readonly #refused = new Set<string>();
  /** The headers that it has seen, from oldest to newest. */
  readonly #headers: { readonly revision: bigint; readonly etag: string }[] = [];
  #stream: AsyncGenerator<WatchMessagingConfigResponse> | undefined;
  #stop = new AbortController();
  #isWaiting = false;
  #fault: unknown;
  #heldNonce = "";
  #askedAt = 0;

  constructor(follower: Follower, revisions: MemoryRevisions) {
    this.#follower = follower;
    this.#revisions = revisions;
    this.#checker = new WatchChecker({
      get epoch() {
        return revisions.read(1n)?.epoch ?? "";
      },
      stateAt: (revision) => {
        const entry = revisions.read(revision);
        if (!entry) throw new WatchFault("reliable", `revision ${revision}, which is not in the history`);
        return expectedOf(entry.documents, follower);
      },
      hasRefused: (state) => this.#refused.has(state),
    });
  }

  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  leave(): void {
    this.#stop.abort();
    this.#stream = undefined;
    this.#isWaiting = false;
  }

  async come(hub: CoreHub, from: "last" | "older" | "nothing" | "elsewhere"): Promise<void> {
    this.leave();
    const { newest } = this.#revisions;
    const seen = from === "last" ? this.#headers.at(-1) : this.#headers.at(-3);
    const revision = from === "nothing" ? undefined : from === "elsewhere" ? newest : seen?.revision;
    const epoch = from === "elsewhere" ? "another history" : (this.#revisions.read(1n)?.epoch ?? "");
    const resume = revision === undefined ? undefined : { epoch, revision };
    this.#stop = new AbortController();
    this.#stream = hub.watch.watch({ ...this.#follower, resume }, this.#stop.signal);
    const oldest = newest - BigInt(LIMITS.windowRevisions) + 1n;
    if (from === "elsewhere" || (revision !== undefined && revision < oldest)) {
      const answer = await this.#stream.next().catch((error: unknown) => error);
      if (!(answer instanceof HubError) || answer.reason !== "HISTORY_GONE")
        throw new WatchFault("resumable", `no HISTORY_GONE for ${epoch} ${revision}, oldest ${oldest}`);
      await this.come(hub, "nothing");
      return;
    }
    this.#checker.connect(revision);
    this.#heldNonce = revision === undefined ? "" : (seen?.etag ?? "");
    this.#ask();
    await settle();
    if (this.#isWaiting) throw new WatchFault("resumable", "no first message at once");
    this.expectNoFault();
  }

  /** Asks for one message; what comes is judged when it comes. */
  async read(): Promise<void> {
    this.#ask();
    await settle();
    this.expectNoFault();
  }

  async drain(): Promise<void> {
    while (this.#stream && !this.#isWaiting) await this.read();
  }

  refuse(hub: CoreHub): void {
    const { service, instance } = this.#follower;
    const { held, newest } = this.#checker;
    if (!service || !instance || held === undefined || this.#heldNonce === "") return;
    this.#refused.add(held);
    hub.rollout.report(service, instance, { revision: newest, nonce: this.#heldNonce }, "no good");
  }

  forgetRefusals(): void {
    this.#refused.clear();
  }

  expectNoFault(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  expectCurrent(): void {
    this.expectNoFault();
    this.#checker.expectCurrent(this.#revisions.newest);
  }

  expectSignOfLife(): void {
    this.expectNoFault();
    const waited = performance.now() - this.#askedAt;
    if (this.#isWaiting && waited > LIMITS.bookmarkIntervalMs + 1_000)
      throw new WatchFault("bookmarkable", `nothing for ${waited} ms`);
  }

  #ask(): void {
    const stream = this.#stream;
    if (!stream || this.#isWaiting) return;
    this.#askedAt = performance.now();
    this.#isWaiting = true;
    stream
      .next()
      .then(({ value, done }) => {
        if (this.#stream !== stream) return;
        this.#isWaiting = false;
        if (done || !value) throw new WatchFault("reliable", "the stream has ended");
        this.#checker.take(value);
        this.#headers.push({ revision: this.#checker.newest, etag: value.header?.etag ?? "" });
        if (value.event.case === "snapshot") this.#heldNonce = value.nonce;
      })
      .catch((error: unknown) => {
        if (this.#stream === stream) this.#fault = error;
      });
  }
}
