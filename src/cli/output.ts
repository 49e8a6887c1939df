import { stringify } from "yaml";
import type { Json } from "../documents/render.ts";
import { UsageError } from "./command.ts";
import { type Table, tableText } from "./table.ts";

/** In which form a result is printed: for people, or for programs. */
const OUTPUTS = ["table", "json", "yaml"] as const;
export type Output = (typeof OUTPUTS)[number];

/** The form that --output names. Throws a UsageError. */
export function readOutput(value: string = "table"): Output {
  const output = OUTPUTS.find((known) => known === value);
  if (!output) throw new UsageError(`--output takes one of: ${OUTPUTS.join(", ")}`);
  return output;
}

/** Prints a result; what has no table, and no text for people, is shown as YAML. */
export function show(out: (text: string) => void, output: Output, data: Json, people?: Table | string): void {
  if (output === "json") out(`${JSON.stringify(data, undefined, 2)}\n`);
  else if (output === "yaml" || people === undefined) out(stringify(data, { lineWidth: 0 }));
  else out(typeof people === "string" ? people : tableText(people));
}
