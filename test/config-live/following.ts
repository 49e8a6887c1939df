import type { WatchMessagingConfigResponse } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import type { DocumentTexts } from "../../src/config/document-set.ts";
import type { WatchRequest } from "../../src/config/watch.ts";
import { seenIn } from "./tiny.ts";
import type { CoreHub } from "./watch-hub.ts";
import { settle } from "./watch-hub.ts";

/** A client that reads as fast as it is sent to. */
export class Following {
  /** What it was sent: the state of a snapshot, or "bookmark". */
  readonly seen: string[] = [];
  readonly messages: WatchMessagingConfigResponse[] = [];
  /** How its stream ended; undefined while it goes on. */
  ended: unknown;
  readonly #stop = new AbortController();

  constructor(hub: Pick<CoreHub, "watch">, request: Partial<WatchRequest> = {}) {
    const all = { systems: [], service: "", instance: "", version: "", resume: undefined };
    this.#read(hub.watch.watch({ ...all, ...request }, this.#stop.signal)).then(
      () => {
        this.ended = "the end";
      },
      (error: unknown) => {
        this.ended = error;
      },
    );
  }

  /** The newest message. */
  get last(): WatchMessagingConfigResponse {
    const last = this.messages.at(-1);
    if (!last) throw new Error("nothing was sent");
    return last;
  }

  /** Where it can go on from. */
  get resume(): { epoch: string; revision: bigint } {
    const { header } = this.last;
    if (!header) throw new Error("a message without a header");
    return { epoch: header.epoch, revision: header.revision };
  }

  leave(): void {
    this.#stop.abort();
  }

  async #read(stream: AsyncGenerator<WatchMessagingConfigResponse>): Promise<void> {
    for await (const message of stream) {
      this.messages.push(message);
      this.seen.push(seenIn(message) ?? "bookmark");
    }
  }
}

/** Publishes on top of what is newest; returns the new revision, 0 when nothing changed. */
export async function publish(
  { desk, log }: Pick<CoreHub, "desk" | "log">,
  documents: DocumentTexts,
  removedFiles: readonly string[] = [],
): Promise<bigint> {
  const expectedRevision = log.head?.revision ?? 0n;
  const proposal = { documents, removedFiles, expectedRevision, author: "test", comment: "" };
  const { entry } = await desk.publish(proposal);
  await settle();
  return entry?.revision ?? 0n;
}
