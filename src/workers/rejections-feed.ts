import type { InstanceName, RolloutView } from "../config/shared-rollout.ts";
import type { Rejections } from "./calls.ts";

/** Tells workers what instances have refused, whenever that has changed. */
export class RejectionsFeed {
  readonly #rollout: RolloutView;
  readonly #tell: (rejections: Rejections) => Promise<void>;
  /** What has been told, by instance. */
  readonly #told = new Map<string, string>();
  readonly stop: () => void;
  #known: Promise<void> = Promise.resolve();

  /** What `tell` returns resolves once every worker knows. */
  constructor(rollout: RolloutView, tell: (rejections: Rejections) => Promise<void>) {
    this.#rollout = rollout;
    this.#tell = tell;
    for (const { service, instance, rejected } of rollout.instances()) {
      if (rejected.size > 0) this.#told.set(`${service}\0${instance}`, [...rejected.keys()].join());
    }
    this.stop = rollout.onChange((name) => this.#onChange(name));
  }

  /** Resolves once every worker knows of all that has been told so far. */
  get known(): Promise<void> {
    return this.#known;
  }

  #onChange({ service, instance }: InstanceName): void {
    const key = `${service}\0${instance}`;
    const nonces = this.#rollout.rejections(service, instance);
    const now = nonces.join();
    if (now === (this.#told.get(key) ?? "")) return;
    if (now === "") this.#told.delete(key);
    else this.#told.set(key, now);
    const told = this.#tell({ service, instance, nonces });
    this.#known = Promise.all([this.#known, told]).then(() => {});
  }
}
