import { readDocumentDirectory } from "../../src/adapters/files/document-directory.ts";
import type { DocumentTexts } from "../../src/config/document-set.ts";
import { type Compiled, compile } from "../../src/config/snapshot.ts";
import { formatFinding } from "../../src/documents/findings.ts";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";

/** The documents that the package ships. */
export const SHIPPED: DocumentTexts = await readDocumentDirectory(SHIPPED_CONFIG_DIR);

/** One change of a text: what stands there, which must be there once, and what stands there instead. */
export type Edit = readonly [file: string, from: string, to: string];

/** A set of documents with some places of it changed. */
export function edited(edits: readonly Edit[], texts: DocumentTexts = SHIPPED): DocumentTexts {
  const result = new Map(texts);
  for (const [file, from, to] of edits) {
    const parts = (result.get(file) ?? "").split(from);
    if (parts.length !== 2)
      throw new Error(`${file} holds ${JSON.stringify(from)} ${parts.length - 1} times`);
    result.set(file, parts.join(to));
  }
  return result;
}

/** A set of documents with whole files set, or taken out of it. */
export function withFiles(
  files: Record<string, string | undefined>,
  texts: DocumentTexts = SHIPPED,
): DocumentTexts {
  const result = new Map(texts);
  for (const [file, text] of Object.entries(files)) {
    if (text === undefined) result.delete(file);
    else result.set(file, text);
  }
  return result;
}

/** The line on which a marker stands in a document, from 1. The marker must be there once. */
export function lineOf(texts: DocumentTexts, file: string, marker: string): number {
  const parts = (texts.get(file) ?? "").split(marker);
  if (parts.length !== 2) {
    throw new Error(`${file} holds ${JSON.stringify(marker)} ${parts.length - 1} times`);
  }
  return (parts[0] ?? "").split("\n").length;
}

/** What a sound set of documents says. */
export function compiled(texts: DocumentTexts = SHIPPED): Compiled {
  const { compiled: result, report } = compile(texts);
  if (!result) throw new Error(report.findings.map(formatFinding).join("\n"));
  return result;
}
