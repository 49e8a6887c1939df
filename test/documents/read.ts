import type { DescMessage } from "@bufbuild/protobuf";
import { type Decoded, decode } from "../../src/documents/decode.ts";
import { type Finding, Report } from "../../src/documents/findings.ts";
import { type ParsedText, parseText } from "../../src/documents/text.ts";

/** Reads a text; `short` is what was found, as "line rule path". */
export function read(
  file: string,
  text: string,
): { parsed: ParsedText | undefined; findings: readonly Finding[]; short: string[] } {
  const report = new Report();
  const parsed = parseText(file, text, report);
  return { parsed, findings: report.findings, short: report.findings.map(shorten) };
}

/** Makes a message of a text whose syntax is sound. */
export function decoded<Desc extends DescMessage>(
  schema: Desc,
  file: string,
  text: string,
): { document: Decoded<Desc>; findings: readonly Finding[]; short: string[] } {
  const report = new Report();
  const parsed = parseText(file, text, report);
  if (!parsed) throw new Error(report.findings.map(({ message }) => message).join("\n"));
  const document = decode(schema, parsed, report);
  return { document, findings: report.findings, short: report.findings.map(shorten) };
}

function shorten({ line, rule, path }: Finding): string {
  return `${line} ${rule} ${path}`.trimEnd();
}
