import type { NatsConfig } from "../../../gen/centralhub/config/v1/nats_pb.ts";
import type { Report } from "../../documents/findings.ts";
import type { Doc } from "../document-set.ts";
import {
  admits,
  hasWildcard,
  matchesPattern,
  patternFault,
  patternsCollide,
  placeholderIn,
  subjectFault,
} from "../subjects.ts";
import { Checker, listNames } from "./check.ts";

/** Subjects and placeholders: legal for NATS, declared, and never two names for one subject. */
export function checkNatsSubjects(doc: Doc<NatsConfig>, report: Report): void {
  const check = new Checker(report, doc);
  const sets = new Map(Object.entries(doc.message.placeholders));
  for (const [name, set] of sets) {
    if (!admits(set, set.example)) {
      check.fail(
        "nats.placeholder_example",
        ["placeholders", name, "example"],
        `the example "${set.example}" is not a value that the placeholder allows`,
        "use one of its values, or allow the example",
      );
    }
    for (const token of [set.example, ...set.values, ...set.reserved]) {
      if (/[.*>\s]/.test(token)) {
        check.fail(
          "nats.placeholder_token",
          ["placeholders", name],
          `"${token}" is not a single token of a subject`,
          "use a value without dots, wildcards and white space",
        );
      }
    }
  }

  const sound: { pattern: string; path: string[] }[] = [];
  for (const [domain, { subjects }] of Object.entries(doc.message.subjects)) {
    for (const [name, subject] of Object.entries(subjects)) {
      const path = ["subjects", domain, name];
      const fault = subject.pattern && patternFault(subject.pattern);
      if (fault) {
        check.fail(
          "nats.pattern",
          [...path, "pattern"],
          `"${subject.pattern}" ${fault}`,
          "correct the pattern",
        );
        continue;
      }
      const unknown = subject.pattern
        .split(".")
        .map(placeholderIn)
        .filter((placeholder) => placeholder !== undefined && !sets.has(placeholder));
      if (unknown.length > 0) {
        check.fail(
          "nats.placeholder_unknown",
          [...path, "pattern"],
          `{${unknown[0]}} is not a declared placeholder; declared are: ${listNames(sets.keys())}`,
          "declare it under placeholders, or use a declared one",
        );
        continue;
      }
      if (subject.example && !isExample(subject.pattern, subject.example, sets)) {
        check.fail(
          "nats.example",
          [...path, "example"],
          `"${subject.example}" is not a subject of the pattern "${subject.pattern}"`,
          "give a real subject that the pattern matches",
        );
      }
      if (subject.pattern) sound.push({ pattern: subject.pattern, path });
    }
  }
  checkCollisions(sound, sets, check);
}

function isExample(pattern: string, example: string, sets: Parameters<typeof matchesPattern>[2]): boolean {
  return (
    subjectFault(example) === undefined && !hasWildcard(example) && matchesPattern(pattern, example, sets)
  );
}

// Only patterns of one length can collide, so they are compared within their length.
function checkCollisions(
  sound: readonly { pattern: string; path: string[] }[],
  sets: Parameters<typeof matchesPattern>[2],
  check: Checker,
): void {
  const byLength = Map.groupBy(sound, ({ pattern }) => pattern.split(".").length);
  for (const group of byLength.values()) {
    for (const [index, one] of group.entries()) {
      const other = group.slice(0, index).find(({ pattern }) => patternsCollide(pattern, one.pattern, sets));
      if (other) {
        check.fail(
          "nats.pattern_overlap",
          [...one.path, "pattern"],
          `a subject of "${one.pattern}" can also be one of "${other.pattern}" (${other.path.join(".")})`,
          "list the values of a placeholder, or reserve the token that the other pattern uses",
        );
      }
    }
  }
}
