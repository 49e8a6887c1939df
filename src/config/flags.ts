import { FlagdCore } from "@openfeature/flagd-core";
import type { Path, Report } from "../documents/findings.ts";
import { Checker, listNames } from "./checks/check.ts";
import { checkTargeting } from "./checks/flag-targeting.ts";
import type { DocumentSet } from "./document-set.ts";

/** The flag that chooses a service's version. */
export const VERSION_FLAG = "messaging_config_version";

/** Chooses the version for a service and, when its rule asks for it, an instance; without a service, the default. */
export type ChooseVersion = (service: string, instance?: string) => string;

/** A silent logger: a flag that cannot be evaluated gives the default version, which the caller sees. */
const QUIET = { error() {}, warn() {}, info() {}, debug() {} };

/**
 * Makes the choice of versions from flags.json, in flagd's format. Without that file there must be one version
 * only, and it is everyone's. What is wrong goes to the report.
 */
export function versionChooser(set: DocumentSet, report: Report): ChooseVersion | undefined {
  const names = [...set.versions.keys()];
  const only = names[0];
  if (!set.flags) {
    if (names.length === 1 && only) return () => only;
    if (names.length > 1) {
      report.add({
        severity: "FAIL",
        rule: "flags.missing",
        file: "flags.json",
        path: "",
        line: 1,
        message: `there are ${names.length} versions and nothing to choose between them`,
        remedy: `add flags.json with the flag ${VERSION_FLAG}`,
      });
    }
    return undefined;
  }
  const fallback = checkVersionFlag(set.flags, set, report);
  if (fallback === undefined) return undefined;
  // Rules come from a document, so they are interpreted, never compiled into code.
  const core = new FlagdCore(undefined, QUIET, { disableDynamicCodeGeneration: true });
  try {
    core.setConfigurations(JSON.stringify(set.flags.message));
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    const message = cause instanceof Error ? cause.message : String(cause);
    new Checker(report, set.flags).fail(
      "flags.flagd",
      [],
      `flagd does not take the file: ${message}`,
      "correct it after flagd's schema, https://flagd.dev/schema/v0/flags.json",
    );
    return undefined;
  }
  return (service, instance = "") => {
    // Shares by percentage are of instances where these have names, else of services.
    const context = service ? { targetingKey: instance || service, service, instance } : {};
    const { value } = core.resolveStringEvaluation(VERSION_FLAG, fallback, context);
    return set.versions.has(value) ? value : fallback;
  };
}

// Checks the flag by hand, for a line and a remedy each; returns the version of its default variant.
function checkVersionFlag(
  flags: NonNullable<DocumentSet["flags"]>,
  set: DocumentSet,
  report: Report,
): string | undefined {
  const check = new Checker(report, flags);
  const at: Path = ["flags", VERSION_FLAG];
  const flag = get(get(flags.message, "flags"), VERSION_FLAG);
  if (!isRecord(flag)) {
    check.fail(
      "flags.flag",
      ["flags"],
      `the flag "${VERSION_FLAG}" is missing`,
      "add it, with a variant per version",
    );
    return undefined;
  }
  const variants = get(flag, "variants");
  if (!isRecord(variants) || Object.keys(variants).length === 0) {
    check.fail(
      "flags.variants",
      [...at, "variants"],
      "the flag has no variants",
      "add a variant per version",
    );
    return undefined;
  }
  for (const [variant, version] of Object.entries(variants)) {
    if (typeof version === "string" && set.versions.has(version)) continue;
    check.fail(
      "flags.version",
      [...at, "variants", variant],
      `${JSON.stringify(version)} is not a version; versions are: ${listNames(set.versions.keys())}`,
      "name a version, or add its directory",
    );
  }
  checkTargeting(check, {
    rule: get(flag, "targeting"),
    path: [...at, "targeting"],
    variants: new Set(Object.keys(variants)),
    evaluators: get(flags.message, "$evaluators"),
  });
  const state = get(flag, "state");
  const hasState = state === "ENABLED" || state === "DISABLED";
  if (!hasState) {
    check.fail(
      "flags.state",
      [...at, "state"],
      `${JSON.stringify(state)} is not a state`,
      'write "ENABLED" or "DISABLED"',
    );
  }
  const defaultVariant = get(flag, "defaultVariant");
  const version = typeof defaultVariant === "string" ? get(variants, defaultVariant) : undefined;
  if (typeof version !== "string") {
    check.fail(
      "flags.default",
      [...at, "defaultVariant"],
      `${JSON.stringify(defaultVariant)} is not a variant; variants are: ${listNames(Object.keys(variants))}`,
      "name one of the variants",
    );
    return undefined;
  }
  return hasState && set.versions.has(version) ? version : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function get(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
