import type { DescMessage, Message } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  FindingSeverity,
  FindingTypeSchema,
  type HealthFinding,
  type HealthStatus,
  HealthStatusSchema,
  type ResourceStatus,
  ResourceStatusSchema,
  Verdict,
  VerdictSchema,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  type CheckConsumerGroupsResponse,
  CheckConsumerGroupsResponseSchema,
  type CheckInfrastructureResponse,
  CheckInfrastructureResponseSchema,
  type CheckKafkaTopicsResponse,
  CheckKafkaTopicsResponseSchema,
  type CheckNatsStreamsResponse,
  CheckNatsStreamsResponseSchema,
} from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { enumName, type Json, renderMessage } from "../documents/render.ts";
import { printable } from "./command.ts";
import { retentionText } from "./duration.ts";
import { timeText } from "./release-views.ts";
import { tableText } from "./table.ts";

/** An answer as it is shown: its status, everything in it for programs, and what people want to know. */
export interface HealthReport {
  readonly status: HealthStatus;
  readonly data: Json;
  readonly text: string;
}

const SEVERITY_MARKS: ReadonlyMap<FindingSeverity, string> = new Map([
  [FindingSeverity.FAIL, "FAIL"],
  [FindingSeverity.WARN, "WARN"],
]);

export function reportOnInfrastructure(answer: CheckInfrastructureResponse): HealthReport {
  const components = Object.values(answer.components);
  const table = {
    columns: ["COMPONENT", "KIND", "VERDICT", "SINCE", "LATENCY", "ADDRESS"],
    rows: components.map(({ name, kind, verdict, sinceTime, latency, address }) => [
      name,
      kind,
      verdictText(verdict),
      timeText(sinceTime),
      latency ? `${durationMs(latency)} ms` : "",
      address,
    ]),
  };
  const reasons = components.flatMap(({ name, verdict, reason, warnings, impairedServices }) => [
    ...(isBad(verdict) ? [`${name} is ${verdictText(verdict)}: ${reason}`] : []),
    ...(impairedServices.length > 0 ? [`${name} impairs ${impairedServices.join(", ")}`] : []),
    ...warnings.map((warning) => `${name}: ${warning}`),
  ]);
  const bad = components.filter(({ verdict }) => isBad(verdict)).length;
  const impaired = Object.values(answer.services).filter(({ verdict }) => isBad(verdict)).length;
  const summary = `infrastructure: ${statusText(answer.status)}; ${count(bad, "component")} not ok, ${count(impaired, "service")} impaired`;
  return report(CheckInfrastructureResponseSchema, answer, tableText(table), reasons, summary);
}

export function reportOnTopics(answer: CheckKafkaTopicsResponse): HealthReport {
  const topics = Object.values(answer.topics);
  const table = {
    columns: ["TOPIC", "DOMAIN", "STATUS", "PARTITIONS", "RETENTION", "COPIES"],
    rows: topics.map(
      ({ name, domain, status, partitions, expectedPartitions, replicationFactor, settings }) => {
        const retention = settings.find(({ name: setting }) => setting === "retention.ms")?.value;
        return [
          name,
          domain,
          resourceText(status),
          partitions === undefined ? `(${expectedPartitions})` : `${partitions}`,
          retention === undefined ? "" : millisecondsText(retention),
          replicationFactor === undefined ? "" : `${replicationFactor}`,
        ];
      },
    ),
  };
  const findings = [...topics.flatMap((topic) => topic.findings), ...answer.findings];
  const summary = `topics: ${together(answer)}; ${countsText(answer)}`;
  return report(CheckKafkaTopicsResponseSchema, answer, tableText(table), findingLines(findings), summary);
}

export function reportOnStreams(answer: CheckNatsStreamsResponse): HealthReport {
  const streams = Object.values(answer.streams);
  const table = {
    columns: ["STREAM", "STATUS", "MESSAGES", "BYTES", "CONSUMERS"],
    rows: streams.map(({ name, status, exists, messages, sizeBytes, consumers }) => [
      name,
      resourceText(status),
      ...(exists ? [`${messages}`, `${sizeBytes}`, `${consumers}`] : ["", "", ""]),
    ]),
  };
  const findings = [...streams.flatMap((stream) => stream.findings), ...answer.findings];
  const summary = `streams: ${together(answer)}; ${countsText(answer)}`;
  return report(CheckNatsStreamsResponseSchema, answer, tableText(table), findingLines(findings), summary);
}

export function reportOnGroups(answer: CheckConsumerGroupsResponse): HealthReport {
  const groups = Object.values(answer.groups);
  const table = {
    columns: ["GROUP", "STATUS", "LIVE", "MEMBERS", "LAG", "TOPICS"],
    rows: groups.map(({ name, status, liveGroups, liveGroupCount, topics }) => {
      const lags = liveGroups.flatMap(({ lag }) => (lag === undefined ? [] : [lag]));
      return [
        name,
        resourceText(status),
        `${liveGroupCount}`,
        `${liveGroups.reduce((sum, { members }) => sum + members, 0)}`,
        lags.length === 0 ? "" : `${lags.reduce((sum, lag) => sum + lag, 0n)}`,
        topics.join(", "),
      ];
    }),
  };
  const findings = [...groups.flatMap((group) => group.findings), ...answer.findings];
  const summary = `groups: ${together(answer)}; ${groups.length} declared`;
  return report(CheckConsumerGroupsResponseSchema, answer, tableText(table), findingLines(findings), summary);
}

export function verdictText(verdict: Verdict): string {
  return enumName(VerdictSchema, verdict);
}

export function statusText(status: HealthStatus): string {
  return enumName(HealthStatusSchema, status);
}

export function resourceText(status: ResourceStatus): string {
  return enumName(ResourceStatusSchema, status);
}

/** Whether people want to hear of a finding; the others are for programs. */
export function isWorthALook({ severity }: HealthFinding): boolean {
  return SEVERITY_MARKS.has(severity);
}

function findingLines(findings: readonly HealthFinding[]): string[] {
  return findings.filter(isWorthALook).map(({ severity, type, resource, message }) => {
    const kind = enumName(FindingTypeSchema, type);
    return `${SEVERITY_MARKS.get(severity)} ${resource || "broker"} ${kind}: ${message}`;
  });
}

function report<Desc extends DescMessage>(
  schema: Desc,
  answer: Message & { readonly status: HealthStatus },
  table: string,
  lines: readonly string[],
  summary: string,
): HealthReport {
  const text = table + [...lines, summary].map((line) => `${printable(line)}\n`).join("");
  return { status: answer.status, data: renderMessage(schema, answer), text };
}

function isBad(verdict: Verdict): boolean {
  return verdict === Verdict.WRONG || verdict === Verdict.UNKNOWN;
}

function together({ status, error }: { readonly status: HealthStatus; readonly error: string }): string {
  return error === "" ? statusText(status) : `${statusText(status)}: ${error}`;
}

function countsText({
  total,
  healthy,
  missing,
  drifted,
  unknown,
}: CheckKafkaTopicsResponse | CheckNatsStreamsResponse): string {
  return `${total} declared: ${healthy} healthy, ${missing} missing, ${drifted} drifted, ${unknown} unknown`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function millisecondsText(value: string): string {
  return /^-?\d+$/.test(value) ? retentionText(BigInt(value)) : value;
}
