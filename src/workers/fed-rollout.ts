import type { Delivery, Follows } from "../config/rollout.ts";
import type { WatchedRollout } from "../config/watch.ts";
import type { PrimaryCalls, Rejections } from "./calls.ts";
import type { Link } from "./link.ts";

/** The rollout as a worker has it: the primary keeps it, and tells each worker what instances have refused. */
export class FedRollout implements WatchedRollout {
  readonly #link: Pick<Link<PrimaryCalls>, "call">;
  readonly #rejections = new Map<string, ReadonlySet<string>>();
  #watches = 0;

  constructor(link: Pick<Link<PrimaryCalls>, "call">, rejections: readonly Rejections[]) {
    this.#link = link;
    for (const one of rejections) this.setRejections(one);
  }

  connect(service: string, instance: string, follows: Follows): () => void {
    const watch = ++this.#watches;
    this.#link.call("connect", watch, service, instance, follows).catch(gone);
    return () => void this.#link.call("leave", watch).catch(gone);
  }

  /** Resolves once every worker knows. */
  report(service: string, instance: string, delivery: Delivery, error: string): Promise<void> {
    return this.#link.call("report", service, instance, delivery, error);
  }

  hasRejected(service: string, instance: string, nonce: string): boolean {
    return this.#rejections.get(keyOf(service, instance))?.has(nonce) ?? false;
  }

  setRejections({ service, instance, nonces }: Rejections): void {
    const key = keyOf(service, instance);
    if (nonces.length === 0) this.#rejections.delete(key);
    else this.#rejections.set(key, new Set(nonces));
  }
}

// Without its primary the worker ends, which says all that there is to say.
function gone(): void {}

function keyOf(service: string, instance: string): string {
  return `${service}\0${instance}`;
}
