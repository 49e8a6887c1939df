import type { NatsConfig, NatsPermissions } from "../../../gen/centralhub/config/v1/nats_pb.ts";
import type { Report } from "../../documents/findings.ts";
import type { Doc } from "../document-set.ts";
import { contains, overlaps, subjectFault, wildcardOf } from "../subjects.ts";
import { Checker, listNames } from "./check.ts";

const LISTS = ["publish", "subscribe", "deny_publish", "deny_subscribe"] as const;

// Subjects of the server itself, which no document declares: inboxes and the JetStream API.
const BUILT_IN = ["_INBOX.>", "_INBOX_*.>", "$JS.>", "$KV.>", "$O.>", "$SRV.>"];

/** Permissions: legal subjects, existing services and subjects, and no allowance that can never work. */
export function checkNatsPermissions(
  doc: Doc<NatsConfig>,
  services: ReadonlySet<string> | undefined,
  report: Report,
): void {
  const check = new Checker(report, doc);
  const declared = Object.values(doc.message.subjects)
    .flatMap(({ subjects }) => Object.values(subjects))
    .map(({ pattern }) => wildcardOf(pattern));
  for (const [service, permissions] of Object.entries(doc.message.permissions)) {
    if (services && !services.has(service)) {
      check.fail(
        "nats.permission_service",
        ["permissions", service],
        `"${service}" is not a service; known are: ${listNames(services)}`,
        "declare the service in infrastructure.yaml, or correct the name",
      );
    }
    const lists = {
      publish: permissions.publish,
      subscribe: permissions.subscribe,
      deny_publish: permissions.denyPublish,
      deny_subscribe: permissions.denySubscribe,
    };
    for (const list of LISTS) {
      for (const [index, subject] of lists[list].entries()) {
        const path = ["permissions", service, list, index];
        const fault = subjectFault(subject);
        if (fault) {
          check.fail(
            "nats.permission_subject",
            path,
            `"${subject}" ${fault}`,
            "use a subject that NATS takes",
          );
        } else if (![...declared, ...BUILT_IN].some((known) => overlaps(known, subject))) {
          check.fail(
            "nats.permission_undeclared",
            path,
            `no declared subject is one of "${subject}"`,
            "declare the subject, or remove the permission",
          );
        }
      }
    }
    checkReach(check, service, permissions, declared);
    checkDead(check, service, "publish", lists.publish, lists.deny_publish);
    checkDead(check, service, "subscribe", lists.subscribe, lists.deny_subscribe);
  }
}

// Who may subscribe "a.*" may subscribe "a.>" too, because a NATS server takes the ">" for one more token.
function checkReach(
  check: Checker,
  service: string,
  { subscribe, denySubscribe }: NatsPermissions,
  declared: readonly string[],
): void {
  for (const [index, subject] of subscribe.entries()) {
    if (subject !== "*" && !subject.endsWith(".*")) continue;
    const reach = `${subject.slice(0, -1)}>`;
    const named = [...subscribe, ...denySubscribe];
    const gained = declared.find(
      (known) => overlaps(reach, known) && !named.some((one) => contains(one, known)),
    );
    if (gained === undefined) continue;
    check.warn(
      "nats.permission_reach",
      ["permissions", service, "subscribe", index],
      `"${subject}" lets the service subscribe to "${reach}" as well, and so get "${gained}": a NATS server has it so`,
      `allow "${reach}", or list in deny_subscribe what the service must not get`,
    );
  }
}

function checkDead(
  check: Checker,
  service: string,
  list: "publish" | "subscribe",
  allowed: readonly string[],
  denied: readonly string[],
): void {
  for (const [index, subject] of allowed.entries()) {
    const path = ["permissions", service, list, index];
    const denial = denied.find((deny) => contains(deny, subject));
    if (denial) {
      check.fail(
        "nats.permission_denied",
        path,
        `"${subject}" is wholly denied by "${denial}" in deny_${list}, and a denial wins`,
        `remove it here, or from deny_${list}`,
      );
    }
    const wider = allowed.findIndex(
      (other, at) => at !== index && contains(other, subject) && other !== subject,
    );
    if (wider !== -1) {
      check.warn(
        "nats.permission_redundant",
        path,
        `"${subject}" is already allowed by "${allowed[wider]}"`,
        "remove one of the two",
      );
    }
  }
}
