import { Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import type { InfrastructureHealth } from "../health/health-board.ts";

/** Whether the hub, one of its services, or something that it looks at takes calls. UNKNOWN: nobody can tell. */
export type Status = "SERVING" | "NOT_SERVING" | "UNKNOWN";

const STATUS_OF: ReadonlyMap<Verdict, Status> = new Map([
  [Verdict.OK, "SERVING"],
  [Verdict.WRONG, "NOT_SERVING"],
]);

/**
 * The status of each of the hub's own services by its full name, "" being the hub as a whole, and of each component
 * and service of the platform by its name in infrastructure.yaml. The hub's own names win.
 */
export class ServingStatus {
  readonly #own = new Map<string, Status>();
  readonly #listeners = new Set<() => void>();
  readonly #infrastructure: InfrastructureHealth;
  readonly #stop: () => void;
  #mirrored: ReadonlyMap<string, Status> | undefined;

  constructor(services: Iterable<string>, infrastructure: InfrastructureHealth) {
    for (const name of ["", ...services]) this.#own.set(name, "SERVING");
    this.#infrastructure = infrastructure;
    this.#stop = infrastructure.onChange(() => {
      this.#mirrored = undefined;
      this.#tell();
    });
  }

  /** The status of a service or component; undefined for one that is not there. */
  get(service: string): Status | undefined {
    return this.#own.get(service) ?? this.#mirror().get(service);
  }

  /** The status of everything, by name. */
  all(): ReadonlyMap<string, Status> {
    return new Map([...this.#mirror(), ...this.#own]);
  }

  /** Sets the status of everything that is the hub's own at once. */
  setAll(status: Status): void {
    for (const name of this.#own.keys()) this.#own.set(name, status);
    this.#tell();
  }

  /** Calls back after every change until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Follows the infrastructure no more. */
  stop(): void {
    this.#stop();
  }

  // Made once after each change for all who ask.
  #mirror(): ReadonlyMap<string, Status> {
    if (this.#mirrored) return this.#mirrored;
    const mirrored = new Map<string, Status>();
    for (const all of [this.#infrastructure.services(), this.#infrastructure.components()]) {
      for (const [name, { verdict }] of all) mirrored.set(name, STATUS_OF.get(verdict) ?? "UNKNOWN");
    }
    this.#mirrored = mirrored;
    return mirrored;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
