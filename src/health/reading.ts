import type { Reading } from "./probe.ts";

/** It was seen, and it is well. */
export function ok(
  facts: Reading["facts"],
  warnings: readonly string[] = [],
  measures: Reading["facts"] = {},
): Reading {
  return { verdict: "ok", reason: "", facts, warnings, measures };
}

/** It was seen, and it is not well. */
export function wrong(reason: string, facts: Reading["facts"] = {}): Reading {
  return { verdict: "wrong", reason, facts, warnings: [] };
}

/** It could not be seen for a reason that is not its own, such as refused credentials. */
export function unknown(reason: string, facts: Reading["facts"] = {}): Reading {
  return { verdict: "unknown", reason, facts, warnings: [] };
}

/** What an error of a connection means for people. */
const MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  ETIMEDOUT: "no connection in time",
  EHOSTUNREACH: "no way leads to the host",
  ENETUNREACH: "no way leads to the network",
  EHOSTDOWN: "the host is down",
  ENOTFOUND: "the host's name is not known",
  CERT_HAS_EXPIRED: "its certificate has expired",
};

/** Errors that say nothing of the component, but of this host or of what it was told. */
const OWN: Readonly<Record<string, string>> = {
  EAI_AGAIN: "names cannot be looked up now",
  EMFILE: "this process has no file descriptor left",
  EADDRNOTAVAIL: "this host has no address left to connect from",
  ERR_IP_BLOCKED: "the hub does not connect to link-local and metadata addresses",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate comes from an authority that is not trusted",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate comes from an authority that is not trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate comes from an authority that is not trusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate comes from an authority that is not trusted",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

/** What a failed connection to `where` tells: "unknown" when the cause may be this host's own. */
export function failure(error: unknown, where: string): Reading {
  const code = codeOf(error);
  const own = OWN[code];
  if (own) return unknown(`${where}: ${own}`);
  return wrong(`${where}: ${explain(error)}`);
}

/** An error of a connection, in words. */
export function explain(error: unknown): string {
  const code = codeOf(error);
  const meaning = MEANINGS[code] ?? OWN[code];
  if (meaning) return meaning;
  return (error instanceof Error && error.message) || code || String(error);
}

// A host with several addresses fails with one error for all of them, whose code is that of the first.
function codeOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string" && (MEANINGS[at.code] || OWN[at.code])) return at.code;
    if (at instanceof AggregateError) {
      const [first] = at.errors.map(codeOf).filter(Boolean);
      if (first) return first;
    }
  }
  return "";
}
