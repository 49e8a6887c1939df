import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ChangeAction,
  ChangeRisk,
  type SettingChangeSchema,
  type TopologyChange,
  TopologyChangeSchema,
} from "../../gen/centralhub/topology/v1/topology_pb.ts";
import type { NewTopic, StreamSettings } from "./ports.ts";

/** The systems whose brokers can be made as declared. */
export const TOPOLOGY_SYSTEMS = ["kafka", "nats"] as const;
export type TopologySystem = (typeof TOPOLOGY_SYSTEMS)[number];

/** What a change asks of a broker. */
export type Act =
  | { readonly kind: "create-topic"; readonly topic: NewTopic }
  | { readonly kind: "add-partitions"; readonly topic: string; readonly total: number }
  | { readonly kind: "alter-topic"; readonly topic: string; readonly set: ReadonlyMap<string, string> }
  | { readonly kind: "delete-topic"; readonly topic: string; readonly id: string }
  | { readonly kind: "create-stream"; readonly stream: string; readonly settings: StreamSettings }
  | { readonly kind: "alter-stream"; readonly stream: string; readonly settings: StreamSettings }
  | { readonly kind: "delete-stream"; readonly stream: string; readonly created: string };

/** The side of a resource that a change is about: what moves on another side is none of its business. */
export type Aspect = "existence" | "partitions" | "settings";

/** A change with what carries it out. */
export interface PlannedChange {
  readonly change: TopologyChange;
  /** Undefined when it cannot be done. */
  readonly act: Act | undefined;
  readonly aspect: Aspect;
  /** Fingerprints of the aspect as it was observed, and as it is once the change is done. */
  readonly before: string;
  readonly after: string;
}

/** What a change says of itself; the rest of its message is made of where it stands. */
export interface ChangeText {
  readonly risk: ChangeRisk;
  readonly settings: readonly MessageInitShape<typeof SettingChangeSchema>[];
  readonly summary: string;
  readonly warnings?: readonly string[];
  readonly stepsLeft?: number;
}

const VERBS: Readonly<Record<Act["kind"], readonly [action: ChangeAction, verb: string]>> = {
  "create-topic": [ChangeAction.CREATE, "create"],
  "add-partitions": [ChangeAction.ADD_PARTITIONS, "partitions"],
  "alter-topic": [ChangeAction.ALTER, "alter"],
  "delete-topic": [ChangeAction.DELETE, "delete"],
  "create-stream": [ChangeAction.CREATE, "create"],
  "alter-stream": [ChangeAction.ALTER, "alter"],
  "delete-stream": [ChangeAction.DELETE, "delete"],
};

/** The message of a change that can be made. */
export function possible(
  system: TopologySystem,
  resource: string,
  kind: Act["kind"],
  text: ChangeText,
): TopologyChange {
  const [action, verb] = VERBS[kind];
  const { settings, warnings = [], ...rest } = text;
  return create(TopologyChangeSchema, {
    ...rest,
    id: `${system}/${resource}/${verb}`,
    system,
    resource,
    action,
    settings: [...settings],
    warnings: [...warnings],
  });
}

/** A difference that cannot be mended. `what` names it within its resource, as a setting does. */
export function impossible(
  system: TopologySystem,
  resource: string,
  what: string,
  reason: string,
  text: Omit<ChangeText, "risk">,
  state: { readonly aspect: Aspect; readonly fingerprint: string },
): PlannedChange {
  const change = create(TopologyChangeSchema, {
    id: `${system}/${resource}/impossible/${what}`,
    system,
    resource,
    action: ChangeAction.IMPOSSIBLE,
    risk: ChangeRisk.SAFE,
    settings: [...text.settings],
    summary: text.summary,
    warnings: [...(text.warnings ?? [])],
    impossibleReason: reason,
  });
  return {
    change,
    act: undefined,
    aspect: state.aspect,
    before: state.fingerprint,
    after: state.fingerprint,
  };
}

/** The greatest of several risks. */
export function worst(risks: readonly ChangeRisk[]): ChangeRisk {
  return risks.reduce((a, b) => (b > a ? b : a), ChangeRisk.SAFE);
}
