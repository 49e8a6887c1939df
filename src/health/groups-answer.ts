import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type ConsumerGroupHealth,
  ConsumerGroupHealthSchema,
  HealthStatus,
  type LiveGroup,
  LiveGroupSchema,
  ResourceStatus,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import type { CheckConsumerGroupsResponseSchema } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { statusOf } from "./findings.ts";
import { type DeclaredGroup, groupFindings, missingGroup, undeclaredGroup } from "./group-findings.ts";
import { groupMatcher, isPattern, type MatchGroup } from "./group-names.ts";
import { type GroupHistory, lagOf } from "./group-verdict.ts";
import type { ObservedGroup, ObservedKafka } from "./observed-kafka.ts";

/** Live groups that are listed under one declared name, and undeclared ones that are told. */
const MOST_LISTED = 1_000;

/** What the groups of one version are held against. */
export interface GroupsSeen {
  readonly observed: ObservedKafka;
  readonly history: GroupHistory;
  /** Whether any version declares a group that goes by this name. */
  readonly matchAny: MatchGroup;
  /** Topics that the version declares. */
  readonly topics: ReadonlySet<string>;
}

type GroupsAnswer = Pick<
  MessageInitShape<typeof CheckConsumerGroupsResponseSchema> & object,
  "status" | "groups" | "findings" | "error"
>;

/** The declared groups of one version; those of whom nothing can be seen are UNKNOWN. */
export function groupsAnswer(declared: readonly DeclaredGroup[], look: GroupsSeen | string): GroupsAnswer {
  if (typeof look === "string") return unseenGroups(declared, look);
  const { observed, history, matchAny, topics } = look;
  if (!observed.groups.isSeen) {
    return unseenGroups(declared, `consumer groups cannot be seen: ${observed.groups.reason}`);
  }
  const match = groupMatcher(declared.map(({ name }) => name));
  const live = [...observed.groups.value.values()];
  const byName = Map.groupBy(live, ({ name }) => match(name));
  const groups = declared.map((group) => groupHealth(group, byName.get(group.name) ?? [], observed, history));
  const strangers = (byName.get(undefined) ?? []).flatMap((group) => {
    const read = group.topics.filter((topic) => topics.has(topic));
    return read.length > 0 && matchAny(group.name) === undefined ? [undeclaredGroup(group, read)] : [];
  });
  // A group that nobody runs is worth a warning and no more.
  const isWell = groups.every(
    ({ status }) => status === ResourceStatus.HEALTHY || status === ResourceStatus.MISSING,
  );
  return {
    status: isWell ? HealthStatus.HEALTHY : HealthStatus.DEGRADED,
    groups: Object.fromEntries(groups.map((group) => [group.name, group])),
    findings: strangers.slice(0, MOST_LISTED),
  };
}

function unseenGroups(declared: readonly DeclaredGroup[], error: string): GroupsAnswer {
  const groups = declared.map(({ name, topics }) =>
    create(ConsumerGroupHealthSchema, { name, topics: [...topics], status: ResourceStatus.UNKNOWN }),
  );
  return {
    status: HealthStatus.ERROR,
    error,
    groups: Object.fromEntries(groups.map((group) => [group.name, group])),
  };
}

function groupHealth(
  declared: DeclaredGroup,
  live: readonly ObservedGroup[],
  observed: ObservedKafka,
  history: GroupHistory,
): ConsumerGroupHealth {
  const { name, topics } = declared;
  const health = create(ConsumerGroupHealthSchema, {
    name,
    topics: [...topics],
    liveGroups: live.slice(0, MOST_LISTED).map((group) => liveGroup(group, observed)),
    liveGroupCount: live.length,
  });
  if (live.length === 0 && !isPattern(name)) {
    health.status = ResourceStatus.MISSING;
    health.findings = [missingGroup(declared)];
    return health;
  }
  health.findings = groupFindings(declared, live, history);
  const isHidden = live.length > 0 && live.every(({ members }) => !members.isSeen);
  health.status = isHidden ? ResourceStatus.UNKNOWN : statusOf(health.findings);
  return health;
}

function liveGroup(group: ObservedGroup, { topics }: ObservedKafka): LiveGroup {
  const lag = lagOf(group, topics);
  return create(LiveGroupSchema, {
    name: group.name,
    state: group.state,
    members: group.members.isSeen ? group.members.value : 0,
    topics: [...group.topics],
    ...(lag.isSeen ? { lag: lag.value } : {}),
  });
}
