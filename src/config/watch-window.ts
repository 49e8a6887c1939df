import { createHash } from "node:crypto";
import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { ConfigHeaderSchema } from "../../gen/centralhub/config/v1/config_pb.ts";
import {
  type WatchMessagingConfigResponse,
  WatchMessagingConfigResponseSchema,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { KafkaConfigSchema } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import { NatsConfigSchema } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { ZookeeperConfigSchema } from "../../gen/centralhub/config/v1/zookeeper_pb.ts";
import { type Json, renderMessage } from "../documents/render.ts";
import { SYSTEMS, type System } from "./document-set.ts";
import type { ChooseVersion } from "./flags.ts";
import type { Snapshot } from "./snapshot.ts";

/** One revision as watchers see it: which content each version and system had, not the content itself. */
interface Mark {
  readonly revision: bigint;
  readonly tags: ReadonlyMap<string, string>;
  /** What the choice depends on: the flags, and the names of the versions. */
  readonly rules: string;
  readonly chooseVersion: ChooseVersion;
  /** The nonce of every content that a watcher could be shown, once somebody has asked. */
  nonces?: ReadonlySet<string>;
}

/** What one watcher is to see at one revision. */
export interface View {
  readonly version: string;
  /** Names the content: the same content has the same nonce, whatever the revision. */
  readonly nonce: string;
}

const SCHEMAS: Record<System, DescMessage> = {
  nats: NatsConfigSchema,
  kafka: KafkaConfigSchema,
  zookeeper: ZookeeperConfigSchema,
};

/**
 * The newest snapshot, and for the revisions before it which content they had, as far back as the window reaches.
 * A message for watchers is made once and shared by all who get it, so no one may change it.
 */
export class WatchWindow {
  readonly #max: number;
  readonly #marks = new Map<bigint, Mark>();
  readonly #messages = new Map<string, WatchMessagingConfigResponse>();
  #newest: Snapshot;
  #oldest: bigint;

  /** `max` is the number of revisions that can be resumed from. */
  constructor(first: Snapshot, max: number) {
    this.#max = max;
    this.#newest = first;
    this.#oldest = first.revision - BigInt(max) + 1n;
    this.push(first);
  }

  /** The newest snapshot. */
  get newest(): Snapshot {
    return this.#newest;
  }

  /** The oldest revision that can be resumed from. */
  get oldest(): bigint {
    return this.#oldest > 1n ? this.#oldest : 1n;
  }

  /** Takes a newer snapshot. */
  push(snapshot: Snapshot): void {
    this.#newest = snapshot;
    this.#messages.clear();
    this.#marks.set(snapshot.revision, this.#mark(snapshot));
    this.#oldest = snapshot.revision - BigInt(this.#max) + 1n;
    // Those that were recalled stand among the others, so all are looked at.
    for (const revision of this.#marks.keys()) if (revision < this.#oldest) this.#marks.delete(revision);
  }

  /** Whether it is known what a revision held. */
  knows(revision: bigint): boolean {
    return this.#marks.has(revision);
  }

  /** Takes a snapshot from before the hub's start, for those who resume from it. */
  recall(snapshot: Snapshot): void {
    const { revision } = snapshot;
    if (revision >= this.oldest && revision < this.#newest.revision && !this.knows(revision))
      this.#marks.set(revision, this.#mark(snapshot));
  }

  /**
   * What a watcher is to see at a revision; undefined when that is not known, as of revisions from before the hub's
   * start that nobody has recalled, or when the version that it follows is not there or has none of the systems.
   */
  view(
    at: bigint,
    systems: readonly System[],
    named: string,
    service: string,
    instance: string,
  ): View | undefined {
    const found = this.#marks.get(at);
    if (!found) return undefined;
    const version = named || found.chooseVersion(service, instance);
    const nonce = nonceOf(found, version, systems);
    return nonce === undefined ? undefined : { version, nonce };
  }

  /**
   * Whether a revision had this content in any version, for any choice of systems; undefined when it is not known what
   * it had. Which version a watcher named, and which systems, is its own affair.
   */
  had(at: bigint, nonce: string): boolean | undefined {
    const found = this.#marks.get(at);
    if (!found) return undefined;
    found.nonces ??= noncesOf(found);
    return found.nonces.has(nonce);
  }

  /** The newest content as a message for every watcher of this view. */
  snapshotMessage({ version, nonce }: View, systems: readonly System[]): WatchMessagingConfigResponse {
    return this.#shared(`snapshot ${nonce}`, () => {
      const documents = this.#newest.documents.versions.get(version);
      const content = Object.fromEntries(systems.map((system) => [system, documents?.[system]?.message]));
      return create(WatchMessagingConfigResponseSchema, {
        header: this.#header(version, nonce),
        nonce,
        event: {
          case: "snapshot",
          value: { $typeName: "centralhub.config.v1.MessagingSnapshot", ...content },
        },
      });
    });
  }

  /** A bookmark at the newest revision for every watcher of this view. */
  bookmarkMessage({ version, nonce }: View): WatchMessagingConfigResponse {
    return this.#shared(`bookmark ${nonce}`, () =>
      create(WatchMessagingConfigResponseSchema, {
        header: this.#header(version, nonce),
        event: { case: "bookmark", value: {} },
      }),
    );
  }

  // A choice of versions holds on to its whole set of documents, so marks with the same rules share one.
  #mark({ revision, documents, chooseVersion }: Snapshot): Mark {
    const tags = new Map<string, string>();
    for (const [name, version] of documents.versions) {
      for (const [system, schema] of Object.entries(SCHEMAS)) {
        const doc = version[system as System];
        if (doc) tags.set(`${name} ${system}`, contentTag(schema, doc.message));
      }
    }
    const rules = JSON.stringify([documents.flags?.message, [...documents.versions.keys()]]);
    const like = [...this.#marks.values()].find((mark) => mark.rules === rules);
    return {
      revision,
      tags,
      rules: like?.rules ?? rules,
      chooseVersion: like?.chooseVersion ?? chooseVersion,
    };
  }

  #header(version: string, etag: string) {
    const { epoch, revision } = this.#newest;
    return create(ConfigHeaderSchema, { epoch, revision, version, etag });
  }

  #shared(key: string, make: () => WatchMessagingConfigResponse): WatchMessagingConfigResponse {
    let message = this.#messages.get(key);
    if (!message) {
      message = make();
      this.#messages.set(key, message);
    }
    return message;
  }
}

// Names what a version holds of some systems; undefined when it has none of them.
function nonceOf({ tags }: Mark, version: string, systems: readonly System[]): string | undefined {
  const own = systems.map((system) => tags.get(`${version} ${system}`));
  if (own.every((tag) => tag === undefined)) return undefined;
  const hash = createHash("sha256").update([version, ...systems, ...own.map(String)].join("\0"));
  return hash.digest("base64url").slice(0, 22);
}

function noncesOf(mark: Mark): ReadonlySet<string> {
  const versions = new Set([...mark.tags.keys()].map((key) => key.split(" ", 1)[0] ?? ""));
  const choices = Array.from({ length: 2 ** SYSTEMS.length }, (_, bits) =>
    SYSTEMS.filter((_system, at) => (bits & (1 << at)) !== 0),
  );
  const nonces = [...versions].flatMap((version) =>
    choices.flatMap((systems) => nonceOf(mark, version, systems) ?? []),
  );
  return new Set(nonces);
}

const tags = new WeakMap<Message, string>();

// Of what the document says: the order of its keys says nothing, and must not look like a change. Hubs of several versions
// share a history, so the same content has the same tag in all of them.
function contentTag(schema: DescMessage, message: Message): string {
  let tag = tags.get(message);
  if (tag === undefined) {
    const text = JSON.stringify(sorted(renderMessage(schema, message)));
    tag = createHash("sha256").update(text).digest("base64url");
    tags.set(message, tag);
  }
  return tag;
}

function sorted(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key] as Json)]));
}
