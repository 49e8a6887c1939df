import type { Path } from "../../documents/findings.ts";
import { type Checker, listNames } from "./check.ts";

/** A flag's rule, and what stands around it in its file. */
export interface Targeting {
  readonly rule: unknown;
  /** Where the rule stands. */
  readonly path: Path;
  readonly variants: ReadonlySet<string>;
  /** Rules that the file shares, by the name that `$ref` has for them. */
  readonly evaluators: unknown;
}

/**
 * Checks that every variant that a rule names is there: flagd gives the default for one that is not, without a word. What
 * a rule only works out when it is evaluated cannot be seen.
 */
export function checkTargeting(check: Checker, { rule, path, variants, evaluators }: Targeting): void {
  const followed = new Set<string>();
  const walk = (value: unknown, at: Path): void => {
    if (typeof value === "string" && !variants.has(value)) {
      check.fail(
        "flags.targeting",
        at,
        `${JSON.stringify(value)} is not a variant, so whom the rule means would get the default; variants are: ${listNames(variants)}`,
        "name one of the variants, or write null for the default",
      );
    }
    for (const [result, ...steps] of resultsOf(value)) walk(result, [...at, ...steps]);
    const shared = isRecord(value) ? value.$ref : undefined;
    if (typeof shared !== "string" || followed.has(shared)) return;
    followed.add(shared);
    if (isRecord(evaluators) && Object.hasOwn(evaluators, shared))
      walk(evaluators[shared], ["$evaluators", shared]);
  };
  walk(rule, path);
}

type Result = readonly [value: unknown, ...place: (string | number)[]];

// What an operation of JSONLogic may give as it stands there, each with its place within the operation.
function resultsOf(value: unknown): readonly Result[] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([operation, given]): readonly Result[] => {
    const isList = Array.isArray(given);
    const list: readonly unknown[] = isList ? given : [given];
    const at = (index: number): Result => (isList ? [list[index], operation, index] : [given, operation]);
    const all = [...list.keys()];
    switch (operation) {
      case "if":
      case "?:":
        // Conditions and what they lead to take turns; a last one without a partner is the "else".
        return all.filter((index) => index % 2 === 1 || index === list.length - 1).map(at);
      case "or":
        return all.map(at);
      case "and":
        return all.slice(-1).map(at);
      case "fractional":
        return all.flatMap((index) => {
          const bucket = list[index];
          return Array.isArray(bucket) ? [[bucket[0], operation, index, 0]] : [];
        });
      default:
        return [];
    }
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
