/** Whether the hub, or one of its services, takes calls. */
export type Status = "SERVING" | "NOT_SERVING";

/** The status of each service by its full name; "" is the hub as a whole. */
export class ServingStatus {
  readonly #statuses = new Map<string, Status>();
  readonly #listeners = new Set<() => void>();

  constructor(services: Iterable<string>) {
    for (const name of ["", ...services]) this.#statuses.set(name, "SERVING");
  }

  /** The status of a service; undefined for one that is not there. */
  get(service: string): Status | undefined {
    return this.#statuses.get(service);
  }

  /** The status of everything, by name. */
  all(): ReadonlyMap<string, Status> {
    return this.#statuses;
  }

  /** Sets the status of everything at once. */
  setAll(status: Status): void {
    for (const name of this.#statuses.keys()) this.#statuses.set(name, status);
    for (const listener of this.#listeners) listener();
  }

  /** Calls back after every change until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
