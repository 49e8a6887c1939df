import { stringify } from "yaml";
import {
  ComponentHealthSchema,
  ConsumerGroupHealthSchema,
  type HealthFinding,
  HealthStatus,
  type ResourceStatus,
  ServiceHealthSchema,
  StreamHealthSchema,
  TopicHealthSchema,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { HealthService, type WatchHealthResponse } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { type Json, renderMessage } from "../documents/render.ts";
import { printable } from "./command.ts";
import { connect, type Target } from "./connection.ts";
import { isWorthALook, resourceText, statusText, verdictText } from "./health-views.ts";
import type { Output } from "./output.ts";
import { type Manner, reconnecting } from "./reconnect.ts";

/** What to follow. */
export interface FollowedHealth {
  /** One of what `health` shows; undefined: everything. */
  readonly subject: string | undefined;
  readonly version: string;
}

/** One thing that is news: which, in words, and with all that is known of it. */
interface News {
  readonly kind: string;
  readonly name: string;
  readonly text: string;
  readonly data: { [key: string]: Json };
}

const SUBJECT_OF: Readonly<Record<string, string>> = {
  component: "infrastructure",
  service: "infrastructure",
  topic: "topics",
  stream: "streams",
  group: "groups",
};

/** Prints everything and then each change, across connections, until it is stopped. */
export async function watchHealth(
  target: Target,
  { subject, version }: FollowedHealth,
  output: Output,
  manner: Manner,
  out: (text: string) => void,
): Promise<void> {
  const hub = connect(target, HealthService);
  const shown = new Map<string, string>();
  const open = (signal: AbortSignal) => hub.watchHealth({ version }, { signal });
  for await (const message of reconnecting(target, open, manner)) {
    const isAgain = message.complete && shown.size > 0;
    for (const news of [...newsIn(message), ...(isAgain ? goneSince(shown, message) : [])]) {
      if (subject !== undefined && (SUBJECT_OF[news.kind] ?? news.name) !== subject) continue;
      const key = `${news.kind} ${news.name}`;
      const isSame = shown.get(key) === news.text;
      // Statuses are in every message, and after an interruption comes everything: only what differs is news.
      if (isSame && (message.complete || news.kind === "status")) continue;
      shown.set(key, news.text);
      out(newsText(news, output));
    }
  }
}

function newsIn(message: WatchHealthResponse): News[] {
  const { components, services, topics, streams, groups, removed } = message;
  return [
    ...components.map((component) => ({
      kind: "component",
      name: component.name,
      text: [verdictText(component.verdict), component.reason].filter((part) => part !== "").join(": "),
      data: fields(renderMessage(ComponentHealthSchema, component)),
    })),
    ...services.map((service) => ({
      kind: "service",
      name: service.name,
      text: [verdictText(service.verdict), service.causedBy.join(", ")]
        .filter((part) => part !== "")
        .join(", caused by "),
      data: fields(renderMessage(ServiceHealthSchema, service)),
    })),
    ...topics.map((topic) => resource("topic", topic, fields(renderMessage(TopicHealthSchema, topic)))),
    ...streams.map((stream) => resource("stream", stream, fields(renderMessage(StreamHealthSchema, stream)))),
    ...groups.map((group) =>
      resource("group", group, fields(renderMessage(ConsumerGroupHealthSchema, group))),
    ),
    ...removed.map(({ kind, name }) => gone(kind, name)),
    status("infrastructure", message.infrastructureStatus),
    status("topics", message.topicsStatus),
    status("streams", message.streamsStatus),
    status("groups", message.groupsStatus),
  ];
}

// What was there before an interruption and is not any more.
function goneSince(shown: ReadonlyMap<string, string>, message: WatchHealthResponse): News[] {
  const there = new Set(newsIn(message).map(({ kind, name }) => `${kind} ${name}`));
  return [...shown.keys()]
    .filter((key) => !there.has(key))
    .map((key) => {
      const [kind = "", ...name] = key.split(" ");
      return gone(kind, name.join(" "));
    });
}

function resource(
  kind: string,
  {
    name,
    status,
    findings,
  }: { readonly name: string; readonly status: ResourceStatus; readonly findings: HealthFinding[] },
  data: { [key: string]: Json },
): News {
  const messages = findings.filter(isWorthALook).map(({ message }) => message);
  const text = [resourceText(status), messages.join("; ")].filter((part) => part !== "").join(": ");
  return { kind, name, text, data };
}

function status(name: string, value: HealthStatus): News {
  const text = value === HealthStatus.UNSPECIFIED ? "not declared" : statusText(value);
  return { kind: "status", name, text, data: { status: text } };
}

function gone(kind: string, name: string): News {
  return { kind, name, text: "is gone", data: { removed: true } };
}

function newsText({ kind, name, text, data }: News, output: Output): string {
  const time = new Date().toISOString();
  if (output === "table") return `${time} ${kind} ${printable(`${name} ${text}`)}\n`;
  const all = { time, kind, name, ...data };
  return output === "json" ? `${JSON.stringify(all)}\n` : `---\n${stringify(all, { lineWidth: 0 })}`;
}

// The "kind" of a component says what speaks there, which is another thing than the kind of news.
function fields(rendered: Json): { [key: string]: Json } {
  const { kind, ...rest } = rendered as { [key: string]: Json };
  return kind === undefined ? rest : { ...rest, speaks: kind };
}
