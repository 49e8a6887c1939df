import type { Probe, Reading } from "../../src/health/probe.ts";
import { ok, wrong } from "../../src/health/reading.ts";
import type { Target } from "../../src/health/targets.ts";

/** A component to be looked at every 10 s, for at most 2 s. */
export function target(change: Partial<Target> = {}): Target {
  return {
    name: "kafka",
    kind: "kafka",
    address: "kafka:9092",
    monitoringUrl: "",
    intervalMs: 10_000,
    timeoutMs: 2_000,
    ...change,
  };
}

/** What a component does when it is looked at. "silent": ends by the signal; "deaf": does not even end then. */
export type Behaviour = Reading | "silent" | "deaf" | Error;

/** A component that does as it is told, and remembers the looks at it. */
export class FakeComponent {
  behaviour: Behaviour = ok({ version: "1" });
  /** Time that an answer takes, in milliseconds. */
  delayMs = 0;
  /** When each look began. */
  readonly looks: number[] = [];
  /** Looks that have not ended. */
  open = 0;
  mostOpen = 0;
  opened = 0;
  closed = 0;
  readonly #free: (() => void)[] = [];

  readonly openProbe = async (): Promise<Probe> => {
    this.opened++;
    return { check: (signal) => this.#check(signal), close: async () => void this.closed++ };
  };

  /** Lets looks that are deaf end. */
  release(): void {
    for (const free of this.#free.splice(0)) free();
  }

  async #check(signal: AbortSignal): Promise<Reading> {
    this.looks.push(performance.now());
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    try {
      const { behaviour } = this;
      if (behaviour === "deaf") {
        await new Promise<void>((resolve) => this.#free.push(resolve));
        return wrong("it ended at last");
      }
      if (behaviour === "silent") {
        await new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(new Error("it is silent"))),
        );
        return wrong("never");
      }
      await new Promise((resolve) => setTimeout(resolve, this.delayMs));
      if (behaviour instanceof Error) throw behaviour;
      return behaviour;
    } finally {
      this.open--;
    }
  }
}
