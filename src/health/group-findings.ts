import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { adopt, finding, fixBroker } from "./findings.ts";
import { isPattern } from "./group-names.ts";
import type { GroupHistory, GroupVerdict } from "./group-verdict.ts";
import type { ObservedGroup } from "./observed-kafka.ts";

/** A group as a document declares it. */
export interface DeclaredGroup {
  /** May hold placeholders. */
  readonly name: string;
  readonly topics: readonly string[];
  /** Such as "phase2/messaging/kafka.json". */
  readonly file: string;
}

/** Names that one finding tells; of more it tells the number. */
const MOST_NAMED = 20;

/** A declared group that nobody runs. */
export function missingGroup({ name, file }: DeclaredGroup): HealthFinding {
  return finding({
    type: FindingType.GROUP_MISSING,
    severity: FindingSeverity.WARN,
    resource: name,
    message: `${name} is declared and not on the broker: nobody reads its topics under that name`,
    remedies: [
      fixBroker(
        "start the service that reads under this name, or set its group.id to it",
        "a group comes to be when a service first reads, and the hub runs none",
      ),
      adopt(`remove consumer_groups.${name} from ${file}`),
    ],
  });
}

/** A live group that reads declared topics and is declared nowhere. */
export function undeclaredGroup({ name, topics }: ObservedGroup, read: readonly string[]): HealthFinding {
  return finding({
    type: FindingType.GROUP_UNDECLARED,
    severity: FindingSeverity.WARN,
    resource: name,
    actual: topics.join(", "),
    message: `${name} reads ${read.join(", ")} and no version declares it`,
    remedies: [
      fixBroker(
        `find out whose it is; delete it with kafka-consumer-groups --delete --group ${name} once nobody uses it`,
        "the hub ends no service and deletes no group",
      ),
      adopt(`declare consumer_groups.${name} with the topics that it reads`),
    ],
  });
}

/** What is to be said of the live groups of one declared group. */
export function groupFindings(
  declared: DeclaredGroup,
  live: readonly ObservedGroup[],
  history: GroupHistory,
): HealthFinding[] {
  return [...topicFindings(declared, live), ...verdictFindings(declared, live, history)];
}

function topicFindings(
  { name, topics, file }: DeclaredGroup,
  live: readonly ObservedGroup[],
): HealthFinding[] {
  const differing = live.flatMap((group) => {
    // Who has no members now reads nothing now.
    if (!group.members.isSeen || group.members.value === 0) return [];
    const others = group.topics.filter((topic) => !topics.includes(topic));
    const left = topics.filter((topic) => !group.topics.includes(topic));
    return others.length + left.length > 0 ? [{ group, others, left }] : [];
  });
  const [first] = differing;
  if (!first) return [];
  const told = [
    ...(first.others.length > 0
      ? [`reads or has offsets of ${first.others.join(", ")}, undeclared for it`]
      : []),
    ...(first.left.length > 0 ? [`does not read ${first.left.join(", ")}`] : []),
  ].join(", and ");
  const more = differing.length > 1 ? `; so or otherwise do ${differing.length - 1} more groups` : "";
  return [
    finding({
      type: FindingType.GROUP_TOPICS,
      severity: FindingSeverity.WARN,
      resource: name,
      setting: "topics",
      expected: topics.join(", "),
      actual: first.group.topics.join(", "),
      message: `${first.group.name} ${told}${more}`,
      remedies: [
        fixBroker(
          "change what the service reads",
          "what a group reads is for its service to say, and not for the broker",
        ),
        adopt(`set consumer_groups.${name} to ${JSON.stringify(first.group.topics)} in ${file}`),
      ],
    }),
  ];
}

type Trouble = Exclude<GroupVerdict, "ok">;

const TROUBLES: Readonly<Record<Trouble, { type: FindingType; text: string; fix: string }>> = {
  stalled: {
    type: FindingType.GROUP_STALLED,
    text: "has members and waiting records, and has committed nothing for the whole window of observation",
    fix: "look at the service for a record that it cannot process, and restart it",
  },
  "falling-behind": {
    type: FindingType.GROUP_FALLING_BEHIND,
    text: "reads more slowly than records come: its lag has only grown over the whole window of observation",
    fix: "start more instances, up to the number of partitions, or find out what slows it",
  },
  stopped: {
    type: FindingType.GROUP_STOPPED,
    text: "has no members, and records wait for it",
    fix: "start the service",
  },
};

function verdictFindings(
  { name, topics, file }: DeclaredGroup,
  live: readonly ObservedGroup[],
  history: GroupHistory,
): HealthFinding[] {
  const own = new Set(topics);
  const judged = live.map((group) => ({ group, ...history.verdictOf(group.name, own) }));
  return (Object.keys(TROUBLES) as Trouble[]).flatMap((verdict) => {
    // Of a group for each user, those whose users are away have no members, and that is as it should be.
    const troubled = judged.filter(
      (one) => one.verdict === verdict && !(verdict === "stopped" && isPattern(name)),
    );
    if (troubled.length === 0) return [];
    const { type, text, fix } = TROUBLES[verdict];
    const at = [...new Set(troubled.flatMap((one) => one.topics))].sort().join(", ");
    return [
      finding({
        type,
        // One user's group among many is no reason to wake anybody.
        severity:
          verdict === "falling-behind" || isPattern(name) ? FindingSeverity.WARN : FindingSeverity.FAIL,
        resource: name,
        message: `${named(troubled.map(({ group }) => group.name))} ${text}: ${at}`,
        remedies: [
          fixBroker(fix, "the hub runs no service"),
          adopt(
            `remove consumer_groups.${name} from ${file}, if nobody is to read any more`,
            verdict === "stopped" ? "" : "it has members, so somebody reads",
          ),
        ],
      }),
    ];
  });
}

function named(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return names.slice(0, MOST_NAMED).join(", ") + (more > 0 ? ` and ${more} more: each` : "");
}
