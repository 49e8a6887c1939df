import type { Target } from "./targets.ts";

/** What one look at a component found. */
export interface Reading {
  /** "wrong": it was seen and is not well. "unknown": it could not be seen for a reason that is not its own. */
  readonly verdict: "ok" | "wrong" | "unknown";
  /** Why it is not ok, for people, without any secret; empty when it is. */
  readonly reason: string;
  /** What was learned, by stable names. */
  readonly facts: Readonly<Record<string, string>>;
  /** Facts that differ from look to look, such as a time or a size: one that has changed is no news. */
  readonly measures?: Readonly<Record<string, string>>;
  /** What is worth a look although it is ok. */
  readonly warnings: readonly string[];
}

/** Looks at one component. */
export interface Probe {
  /**
   * Looks once and ends by the signal at the latest. What it throws is taken for "wrong", with the error's message as
   * the reason. It keeps no socket and no timer when it has failed.
   */
  check(signal: AbortSignal): Promise<Reading>;
  /** Gives back what it holds. */
  close(): Promise<void>;
}

/** Makes the probe for a target. */
export type OpenProbe = (target: Target) => Promise<Probe>;
