import type { InfrastructureConfig } from "../../gen/centralhub/config/v1/infrastructure_pb.ts";
import type { ComponentHealth, ServiceHealth, Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import type { RevisionLog } from "../config/revision-log.ts";
import {
  newsOf,
  ownComponent,
  probedComponent,
  revisionLogComponent,
  unconfigured,
} from "./component-health.ts";
import { Folding } from "./folding.ts";
import type { OpenProbe, Reading } from "./probe.ts";
import { notLookedAt, ProbeLoop, type ProbeState } from "./probe-loop.ts";
import type { Target } from "./targets.ts";

/** The hub's own log among the components. */
const REVISION_LOG = "revision-log";

interface Entry {
  readonly target: Target;
  readonly render: () => ComponentHealth;
  readonly stop: () => Promise<void>;
  readonly known: () => ProbeState | undefined;
}

/** What a board is made of. */
export interface BoardParts {
  readonly log: Pick<RevisionLog, "status" | "onStatus">;
  /** Where the log is: "file" or a URL. */
  readonly logAddress: string;
  readonly openProbe: OpenProbe;
  /** How many instances of a service there are. */
  readonly liveInstances: (service: string) => number;
}

/** A component, and what was known of it before; undefined: nothing. */
export type ComponentListener = (now: ComponentHealth, before: ComponentHealth | undefined) => void;

/**
 * How every component is: those that the newest documents declare, each looked at by a probe of its own, and the
 * hub's revision log, which tells of itself. Answers come from memory.
 */
export class ComponentBoard {
  readonly #parts: BoardParts;
  readonly #stopLog: () => void;
  readonly #listeners = new Set<() => void>();
  readonly #componentListeners = new Set<ComponentListener>();
  readonly #entries = new Map<string, Entry>();
  /** Parts of the hub that tell of themselves. */
  readonly #own = new Map<string, { readonly kind: string; readonly state: ProbeState }>();
  readonly #ending = new Set<Promise<void>>();
  /** By name: what is news when it differs. */
  readonly #news = new Map<string, string>();
  #folding = new Folding(undefined);
  #components: ReadonlyMap<string, ComponentHealth> = new Map();

  constructor(parts: BoardParts) {
    this.#parts = parts;
    this.#stopLog = parts.log.onStatus(() => this.#update([REVISION_LOG]));
    this.#update([REVISION_LOG]);
  }

  /** Every component by name. Messages are never changed, but replaced; none holds a secret. */
  components(): ReadonlyMap<string, ComponentHealth> {
    return this.#components;
  }

  /** Every service of the platform by name. */
  services(): ReadonlyMap<string, ServiceHealth> {
    const verdicts = new Map<string, Verdict>();
    for (const [name, { verdict }] of this.#components) verdicts.set(name, verdict);
    return this.#folding.services(verdicts, this.#parts.liveInstances);
  }

  /** Takes what a part of the hub tells of itself. A component of that name in the documents is not looked at. */
  tell(name: string, kind: string, reading: Reading): void {
    const { state: before } = this.#own.get(name) ?? { state: undefined };
    const now = Date.now();
    const since = before?.verdict === reading.verdict ? before.since : now;
    const state = { ...notLookedAt(since), measures: {}, ...reading, checkedAt: now };
    this.#own.set(name, { kind, state });
    this.#remove(name);
    this.#update([name]);
  }

  /** Looks at these targets from now on. What is the same as before goes on undisturbed. */
  aim(targets: readonly Target[], infrastructure: InfrastructureConfig | undefined): void {
    this.#folding = new Folding(infrastructure);
    const kinds = new Set<string>();
    const wanted = new Map<string, Target>();
    for (const target of targets) {
      const isFirst = !kinds.has(target.kind);
      kinds.add(target.kind);
      if (target.name === REVISION_LOG || this.#own.has(target.name)) continue;
      wanted.set(target.name, target);
      this.#place(target, isFirst);
    }
    for (const name of this.#entries.keys()) if (!wanted.has(name)) this.#remove(name);
    this.#update([...wanted.keys(), REVISION_LOG]);
  }

  /**
   * Calls back when a verdict, a reason, a warning, a fact or a list of services has changed, or the set of
   * components; not for a new latency alone. Returns the way to stop.
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls back for each component whose verdict has changed. Returns the way to stop. */
  onVerdict(listener: ComponentListener): () => void {
    this.#componentListeners.add(listener);
    return () => this.#componentListeners.delete(listener);
  }

  /** Ends all looks and gives everything back. */
  async stop(): Promise<void> {
    this.#stopLog();
    this.#listeners.clear();
    this.#componentListeners.clear();
    for (const name of this.#entries.keys()) this.#remove(name);
    await Promise.all(this.#ending);
  }

  #place(target: Target, isFirst: boolean): void {
    const old = this.#entries.get(target.name);
    if (old && JSON.stringify(old.target) === JSON.stringify(target)) return;
    this.#remove(target.name);
    this.#entries.set(target.name, target.address ? this.#probed(target, old) : bare(target, isFirst));
  }

  #probed(target: Target, old: Entry | undefined): Entry {
    // Looked at more or less often, it is still the same component.
    const isSame = old?.target.kind === target.kind && whereIs(old.target) === whereIs(target);
    const onLook = (): void => this.#update([target.name]);
    const loop = new ProbeLoop(target, this.#parts.openProbe, onLook, isSame ? old.known() : undefined);
    return {
      target,
      render: () => probedComponent(target, loop.state),
      stop: () => loop.stop(),
      known: () => loop.state,
    };
  }

  #remove(name: string): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    this.#entries.delete(name);
    this.#news.delete(name);
    const ending = entry.stop().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  // Renders these anew and tells of what is news.
  #update(names: readonly string[]): void {
    const before = this.#components;
    const isThere = (name: string): boolean =>
      name === REVISION_LOG || this.#own.has(name) || this.#entries.has(name);
    const after = new Map([...before].filter(([name]) => isThere(name)));
    let hasChanged = after.size !== before.size;
    const turned: ComponentHealth[] = [];
    for (const name of names) {
      const now = this.#render(name);
      if (!now) continue;
      after.set(name, now);
      const { measures = {} } = this.#own.get(name)?.state ?? this.#entries.get(name)?.known() ?? {};
      const news = newsOf(now, measures);
      hasChanged ||= this.#news.get(name) !== news;
      this.#news.set(name, news);
      if (before.get(name)?.verdict !== now.verdict) turned.push(now);
    }
    this.#components = new Map([...after].sort(([a], [b]) => (a < b ? -1 : 1)));
    for (const now of turned) {
      for (const listener of this.#componentListeners) listener(now, before.get(now.name));
    }
    if (hasChanged) for (const listener of this.#listeners) listener();
  }

  #render(name: string): ComponentHealth | undefined {
    const own = this.#own.get(name);
    const message =
      name === REVISION_LOG
        ? revisionLogComponent(name, this.#parts.log.status, this.#parts.logAddress)
        : own
          ? ownComponent(name, own.kind, own.state)
          : this.#entries.get(name)?.render();
    if (message) message.impairedServices.push(...this.#folding.impairedBy(name, message.verdict));
    return message;
  }
}

function bare(target: Target, isFirst: boolean): Entry {
  const since = Date.now();
  return {
    target,
    render: () => unconfigured(target, isFirst, since),
    stop: async () => {},
    known: () => undefined,
  };
}

function whereIs({ address, monitoringUrl }: Target): string {
  return `${address} ${monitoringUrl}`;
}
