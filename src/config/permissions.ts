import type { NatsPermissions } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { HubError } from "../errors.ts";
import { hasWildcard, overlaps, subjectFault } from "./subjects.ts";

export type Action = "publish" | "subscribe";

/** What the permissions say of one subject. */
export interface PermissionAnswer {
  readonly allowed: boolean;
  /** The rule that decided. */
  readonly rule: string;
  /** Denied subjects within an allowed subscription, whose messages the server keeps back. */
  readonly withheld: string[];
}

/**
 * Decides as a NATS server does: a subject is allowed when one allowed subject matches it and no denied one does. For a
 * subscription the server takes wildcards for plain tokens, so that "*" of a rule matches its last ">" too: who may
 * subscribe "a.*" may subscribe "a.>", and gets all of it. A subscription with wildcards that a denial merely overlaps is allowed, and what is denied is kept
 * from it. Unlike a bare NATS user, a service without an entry may do nothing.
 */
export function decidePermission(
  service: string,
  permissions: NatsPermissions | undefined,
  action: Action,
  subject: string,
): PermissionAnswer {
  const fault = subjectFault(subject);
  if (fault) {
    throw new HubError("INVALID_SUBJECT", `subject: "${subject}" ${fault}`, {
      metadata: { field: "subject", fault },
    });
  }
  if (action === "publish" && hasWildcard(subject)) {
    const message = `subject: "${subject}" has a wildcard; a publish names one subject`;
    throw new HubError("INVALID_SUBJECT", message, {
      metadata: { field: "subject", fault: "has a wildcard" },
    });
  }
  const at = `permissions.${service}`;
  if (!permissions)
    return { allowed: false, rule: `${at} is not declared: nothing is allowed`, withheld: [] };
  const allow = action === "publish" ? permissions.publish : permissions.subscribe;
  const deny = action === "publish" ? permissions.denyPublish : permissions.denySubscribe;
  const denial = deny.find((rule) => matches(rule, subject));
  if (denial !== undefined) return { allowed: false, rule: `${at}.deny_${action}: ${denial}`, withheld: [] };
  const allowance = allow.find((rule) => matches(rule, subject));
  if (allowance === undefined) {
    return { allowed: false, rule: `${at}.${action} allows no subject that contains it`, withheld: [] };
  }
  const withheld = hasWildcard(subject) ? deny.filter((rule) => overlaps(rule, subject)) : [];
  return { allowed: true, rule: `${at}.${action}: ${allowance}`, withheld };
}

function matches(rule: string, subject: string): boolean {
  const wanted = subject.split(".");
  const tokens = rule.split(".");
  const isAll = tokens.at(-1) === ">";
  if (isAll ? wanted.length < tokens.length : wanted.length !== tokens.length) return false;
  return tokens.every((token, index) => token === "*" || token === ">" || token === wanted[index]);
}
