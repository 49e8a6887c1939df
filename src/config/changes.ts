import { formatPath, type Path, Report } from "../documents/findings.ts";
import { parseText } from "../documents/text.ts";
import type { DocumentTexts } from "./document-set.ts";

/** One difference between two sets of documents. Values are JSON; "" where there is none. */
export interface Change {
  readonly file: string;
  /** Place in the document; empty for a document that came or went, or that differs in its text alone. */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  readonly before: string;
  readonly after: string;
}

/** Compares two sets of documents value by value: by file, then in the order of the newer document. */
export function compareDocuments(before: DocumentTexts, after: DocumentTexts): Change[] {
  const files = [...new Set([...before.keys(), ...after.keys()])].sort();
  return files.flatMap((file) => compareTexts(file, before.get(file), after.get(file)));
}

/** The change as a sentence for people. */
export function describeChange({ file, path, kind, before, after }: Change): string {
  const place = path ? `${file}: ${path}` : file;
  if (kind === "added") return `${place} added${path ? ` as ${shorten(after)}` : ""}`;
  if (kind === "removed") return `${place} removed${path ? `, was ${shorten(before)}` : ""}`;
  return path
    ? `${place} changed from ${shorten(before)} to ${shorten(after)}`
    : `${place} changed in its text alone`;
}

function shorten(json: string): string {
  const characters = [...json.slice(0, 200)];
  return characters.length > 80 ? `${characters.slice(0, 80).join("")}…` : json;
}

function compareTexts(file: string, before: string | undefined, after: string | undefined): Change[] {
  if (before === after) return [];
  const whole = { file, path: "", before: "", after: "" };
  if (before === undefined) return [{ ...whole, kind: "added" }];
  if (after === undefined) return [{ ...whole, kind: "removed" }];
  const ignored = new Report();
  const [old, now] = [before, after].map((text) => parseText(file, text, ignored)?.value);
  const changes = compareValues(file, [], old, now);
  // Comments, spelling of numbers, order of keys: a change of the text, and of nothing that it says.
  return changes.length > 0 ? changes : [{ ...whole, kind: "changed" }];
}

function compareValues(file: string, path: Path, before: unknown, after: unknown): Change[] {
  const change = (kind: Change["kind"]): Change => ({
    file,
    path: formatPath(path),
    kind,
    before: kind === "added" ? "" : (JSON.stringify(before) ?? ""),
    after: kind === "removed" ? "" : (JSON.stringify(after) ?? ""),
  });
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(after), ...Object.keys(before)])];
    return keys.flatMap((key) => {
      const at = [...path, key];
      if (!Object.hasOwn(before, key)) return compareValues(file, at, undefined, after[key]);
      if (!Object.hasOwn(after, key)) return compareValues(file, at, before[key], undefined);
      return compareValues(file, at, before[key], after[key]);
    });
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (before === undefined) return [change("added")];
  if (after === undefined) return [change("removed")];
  return [change("changed")];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
