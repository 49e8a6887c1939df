import { availableParallelism } from "node:os";
import { type Followers, LockstepLog } from "../config/lockstep-log.ts";
import type { RevisionEntry, RevisionLog } from "../config/revision-log.ts";
import type { InnerDoor } from "../http/inner-door.ts";
import type { Listener } from "../http/listener.ts";
import type { Settings } from "../settings/settings.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics, MetricValues } from "../telemetry/metrics.ts";
import { Acceptor } from "./acceptor.ts";
import type { Vitals, WorkerCalls } from "./calls.ts";
import { countCrew } from "./crew-metrics.ts";
import { type Exit, Member } from "./member.ts";
import { type DeskParts, deskFor } from "./member-desk.ts";
import { RejectionsFeed } from "./rejections-feed.ts";

/** Time that a worker has for a step that takes none, in milliseconds, and for any sign of life. */
const STEP_MS = 5_000;
const HANG_MS = 10_000;
const PING_MS = 1_000;
const VITALS_MS = 2_000;
/** A worker that has lived for so long has not failed to start. Others are started ever later, in milliseconds. */
const SOUND_MS = 60_000;
const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 10_000;
/** Time beyond the grace that workers have to go. */
const LEAVE_MS = 3_000;

/** What the crew needs of the rest of the hub. */
export interface CrewParts extends Pick<DeskParts, "rollout" | "isRelayed" | "onStored"> {
  readonly metrics: Metrics;
  /** Takes the calls that workers forward. */
  readonly door: InnerDoor;
}

/** The workers of a hub: starts them, starts others in the place of those that end, and keeps them in step. */
export class Crew implements Followers {
  readonly #program: URL;
  readonly #settings: Settings;
  readonly #logger: Logger;
  readonly #members = new Set<Member>();
  readonly #failures = new Map<number, number>();
  readonly #vitals = new Map<Member, Vitals>();
  #log: LockstepLog | undefined;
  #desk: DeskParts | undefined;
  #door: InnerDoor | undefined;
  #acceptor: Acceptor | undefined;
  #restarts = 0;
  #isStopping = false;

  /** `program` is that of a worker. */
  constructor(program: URL, settings: Settings, logger: Logger) {
    this.#program = program;
    this.#settings = settings;
    this.#logger = logger;
    const cores = availableParallelism();
    if (settings.workers > cores)
      logger.warn({ workers: settings.workers, cores }, "there are more workers than cores for them");
  }

  /** The log as it is shown by this process and all workers, in step. */
  inStep(log: RevisionLog): RevisionLog {
    this.#log = new LockstepLog(log, this);
    return this.#log;
  }

  /** Workers that serve. */
  get serving(): number {
    return this.#serving().length;
  }

  /** Whether every worker serves. */
  get isWhole(): boolean {
    return this.#serving().length >= this.#settings.workers;
  }

  /** How often a worker has been started in the place of one that had ended. */
  get restarts(): number {
    return this.#restarts;
  }

  /** How each worker was when it was last asked, by its number. */
  get vitals(): ReadonlyMap<number, Vitals> {
    return new Map([...this.#vitals].map(([{ number }, vitals]) => [number, vitals]));
  }

  /** Asks all workers how they are; gives their metrics. */
  async askVitals(): Promise<readonly MetricValues[]> {
    const ask = async (member: Member): Promise<void> => {
      const answer = member.link.call("vitals").then((vitals) => void this.#vitals.set(member, vitals));
      const late = new Promise<void>((resolve) => setTimeout(resolve, VITALS_MS).unref());
      await Promise.race([answer.catch(() => {}), late]);
    };
    await Promise.all(this.#serving().map(ask));
    return [...this.#vitals.values()].map(({ metrics }) => metrics);
  }

  prepare(entry: RevisionEntry): (withinMs: number) => Promise<void> {
    const answers = this.#joined().map((member) => ({ member, answer: member.link.call("prepare", entry) }));
    return async (withinMs) => {
      await Promise.all(answers.map(({ member, answer }) => member.due(answer, withinMs, "prepare")));
    };
  }

  hold(): Promise<void> {
    return this.#callAll("hold");
  }

  show(): void {
    void this.#callAll("show");
  }

  /** Starts the workers, and listens once all of them can serve. Throws what keeps one from it. */
  async open({ door, metrics, ...parts }: CrewParts): Promise<Listener> {
    const log = this.#log;
    if (!log) throw new Error("the workers have no log to show");
    countCrew(this, metrics);
    const feed = new RejectionsFeed(parts.rollout, (rejections) =>
      this.#callAll("setRejections", rejections),
    );
    const stopStatus = log.onStatus((status) => void this.#callAll("setStatus", status));
    this.#door = door;
    this.#desk = {
      ...parts,
      log,
      settings: workerSettings(this.#settings),
      rejectionsAreKnown: () => feed.known,
      onLeaving: (member) => this.#onLeaving(member),
    };
    const beat = setInterval(() => this.#ping(), PING_MS).unref();
    const drain = async (graceMs: number): Promise<void> => {
      this.#isStopping = true;
      this.#acceptor?.close();
      await this.#end(graceMs);
      clearInterval(beat);
      stopStatus();
      feed.stop();
    };
    try {
      this.#acceptor = await Acceptor.listen(this.#settings, this.#settings.connections);
      for (let number = 1; number <= this.#settings.workers; number++) this.#start(number);
      await Promise.all([...this.#members].map(({ ready }) => ready));
    } catch (error) {
      await drain(0);
      throw error;
    }
    const connections = (): number =>
      [...this.#vitals.values()].reduce((sum, vitals) => sum + vitals.connections, 0);
    return { address: this.#acceptor.address, connections, drain };
  }

  #start(number: number): void {
    const desk = this.#desk;
    if (!desk || this.#isStopping) return;
    const member = new Member(this.#program, number, this.#logger, (one) => deskFor(desk, one));
    this.#members.add(member);
    this.#door?.accept(member.connection);
    member.ready.then(
      () => {
        if (!this.#isStopping) this.#acceptor?.add(member);
        this.#logger.info({ worker: number, pid: member.pid }, "a worker serves");
      },
      (error: unknown) => {
        if (!this.#isStopping) this.#logger.error({ worker: number, err: error }, "a worker cannot serve");
      },
    );
    void member.exited.then((exit) => this.#onExit(member, exit));
  }

  #onExit(member: Member, { code, signal }: Exit): void {
    this.#members.delete(member);
    this.#vitals.delete(member);
    this.#acceptor?.remove(member);
    if (this.#isStopping || member.isSucceeded) return;
    const { number, pid } = member;
    const hasLived = performance.now() - member.began > SOUND_MS;
    const failures = hasLived ? 0 : (this.#failures.get(number) ?? 0);
    this.#failures.set(number, failures + 1);
    const inMs = failures === 0 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** (failures - 1));
    this.#logger.error(
      { worker: number, pid, code, signal, inMs },
      "a worker has ended; it is started again",
    );
    this.#restarts += 1;
    setTimeout(() => this.#start(number), inMs).unref();
  }

  // Somebody has asked the worker to go: its place is taken while it sees its calls through.
  #onLeaving(member: Member): void {
    this.#acceptor?.remove(member);
    if (member.isSucceeded || this.#isStopping) return;
    member.isSucceeded = true;
    this.#logger.info({ worker: member.number, pid: member.pid }, "a worker leaves; another one is started");
    this.#start(member.number);
  }

  async #end(graceMs: number): Promise<void> {
    const members = [...this.#members];
    const timer = setTimeout(() => {
      for (const member of members) member.kill();
    }, graceMs + LEAVE_MS);
    for (const { link } of members) link.call("drain").catch(() => {});
    await Promise.all(members.map(({ exited }) => exited));
    clearTimeout(timer);
  }

  #joined(): Member[] {
    return [...this.#members].filter(({ isJoined }) => isJoined);
  }

  #serving(): Member[] {
    return [...this.#members].filter(({ isReady, isSucceeded }) => isReady && !isSucceeded);
  }

  #ping(): void {
    for (const member of this.#joined()) void member.lives(member.link.call("ping"), HANG_MS);
  }

  // A worker that does not answer in time is ended, so it does not stay behind.
  async #callAll<Name extends "hold" | "show" | "setStatus" | "setRejections">(
    name: Name,
    ...args: Parameters<WorkerCalls[Name]>
  ): Promise<void> {
    const call = ({ link }: Member): Promise<unknown> =>
      (link.call as (name: string, ...args: unknown[]) => Promise<unknown>).call(link, name, ...args);
    await Promise.all(this.#joined().map((member) => member.due(call(member), STEP_MS, name)));
  }
}

/** What the settings of the hub are for each of its workers: what is the hub's is divided. */
function workerSettings(settings: Settings): Settings {
  const share = (of: number): number => Math.max(1, Math.ceil(of / settings.workers));
  return {
    ...settings,
    connections: share(settings.connections),
    databaseLanes: share(settings.databaseLanes),
    databaseConnections: share(settings.databaseConnections),
    queueEvents: Math.max(settings.queueEventsPerUser, share(settings.queueEvents)),
  };
}
