import { createHash } from "node:crypto";
import type { NatsConfig, NatsPermissions } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { contains, overlaps, wildcardOf } from "../config/subjects.ts";

/** A block for nats-server's configuration file, and the variables that it takes passwords from, by service. */
export interface PermissionBlock {
  readonly block: string;
  readonly variables: ReadonlyMap<string, string>;
}

const INBOX = "_INBOX.>";
const EVERYTHING = [">"];

/**
 * Renders the permissions of a version's NATS document: one user for each service, who may do exactly what the document
 * allows. What a service is known to need beyond that is said in comments.
 */
export function renderNatsPermissions(version: string, config: NatsConfig): PermissionBlock {
  const services = Object.entries(config.permissions).sort(([a], [b]) => (a < b ? -1 : 1));
  const variables = passwordVariables(services.map(([service]) => service));
  const requests = Object.values(config.subjects)
    .flatMap(({ subjects }) => Object.values(subjects))
    .filter(({ requestReply }) => requestReply)
    .map(({ pattern }) => wildcardOf(pattern));
  const users = services.map(([service, permissions]) => [
    ...needs(service, permissions, requests).map((need) => `    # ${need}`),
    "    {",
    `      user: ${quoted(service)}`,
    `      password: $${variables.get(service)}`,
    "      permissions: {",
    `        publish: ${lists(permissions.publish, permissions.denyPublish)}`,
    `        subscribe: ${lists(permissions.subscribe, permissions.denySubscribe)}`,
    // The server's own limit for it is one response within two minutes.
    ...(permissions.allowResponses ? ["        allow_responses: true"] : []),
    "      }",
    "    }",
  ]);
  const lines = [...header(version), "authorization {", "  users: [", ...users.flat(), "  ]", "}"];
  return { block: `${lines.join("\n")}\n`, variables };
}

function header(version: string): string[] {
  return [
    `# NATS permissions of ${JSON.stringify(version)}, as Central Hub declares them. Rendered: change the declaration, not this.`,
    "#",
    "# Each password comes from the environment of nats-server, which does not start while one is not set. A password that",
    "# is a number, or holds more than letters, digits, - and _, is written there with double quotes around it.",
    "# Users for operators are not in it, and neither is Central Hub's own: to look at streams it publishes to $JS.API.INFO",
    "# and $JS.API.STREAM.LIST, to change them to $JS.API.STREAM.{INFO,CREATE,UPDATE,DELETE}.*, and subscribes to _INBOX.>.",
  ];
}

// The server takes an empty list for no restriction, which is the opposite of what the document says by it.
function lists(allow: readonly string[], deny: readonly string[]): string {
  if (allow.length === 0) return `{ deny: ${list(EVERYTHING)} }`;
  return deny.length === 0 ? `{ allow: ${list(allow)} }` : `{ allow: ${list(allow)}, deny: ${list(deny)} }`;
}

function list(subjects: readonly string[]): string {
  return `[${spelledOut(subjects).map(quoted).join(", ")}]`;
}

// Servers from 2.10.22 to 2.11.11 and to 2.12.3 overlook that "a.*" holds for "a.b" when "a.b.c" is in the same list,
// so that a denial would not hold. With "a.b" written out beside them they are right, and it changes nothing else.
function spelledOut(subjects: readonly string[]): readonly string[] {
  const starred = new Set(subjects.filter((subject) => subject === "*" || subject.endsWith(".*")));
  const covered = subjects.flatMap((subject) => {
    const tokens = subject.split(".");
    const heads = tokens.slice(0, -1).map((_, at) => tokens.slice(0, at + 1));
    return heads
      .filter((head) => head.at(-1) !== "*" && starred.has([...head.slice(0, -1), "*"].join(".")))
      .map((head) => head.join("."));
  });
  return [...new Set([...subjects, ...covered])];
}

function needs(service: string, permissions: NatsPermissions, requests: readonly string[]): string[] {
  const { publish, subscribe, denySubscribe, allowResponses } = permissions;
  const found: string[] = [];
  const sends = [...requests, "$JS.API.>"].filter((request) => publish.some((one) => overlaps(one, request)));
  const hasInbox =
    subscribe.some((one) => contains(one, INBOX)) && !denySubscribe.some((one) => overlaps(one, INBOX));
  if (sends.length > 0 && !hasInbox) {
    found.push(
      `${service} may send requests (${sends.join(", ")}) and may not subscribe to ${INBOX}: it would get no reply,`,
      "and no acknowledgement from a stream either. Add the inbox to its subscribe list if it waits for one.",
    );
  }
  const serves = requests.filter((request) => subscribe.some((one) => overlaps(one, request)));
  const mayAnswer = allowResponses || publish.some((one) => contains(one, INBOX));
  if (serves.length > 0 && !mayAnswer) {
    found.push(
      `${service} gets requests (${serves.join(", ")}) and could not answer them. Set its allow_responses if it is to.`,
    );
  }
  return found;
}

// Names that differ only in what a variable cannot hold get a part of their hash, all of them: whoever is declared
// first is no reason for a name.
function passwordVariables(services: readonly string[]): ReadonlyMap<string, string> {
  const plain = (service: string): string =>
    `NATS_PASSWORD_${service.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;
  const sharers = Map.groupBy(services, plain);
  return new Map(
    services.map((service) => {
      const name = plain(service);
      const isShared = (sharers.get(name)?.length ?? 0) > 1;
      return [service, isShared ? `${name}_${hashOf(service)}` : name];
    }),
  );
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8).toUpperCase();
}

// The only escapes that the server's configuration knows and that subjects need.
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}
