import type { Json } from "../documents/render.ts";

const WIDTH = 110;

/** The text of a document in the layout of the shipped ones: an object has a line for each key, a short list has one. */
export function documentText(value: Json): string {
  return `${layOut(value, "", 0)}\n`;
}

// `taken` is the width of what stands before the value on its line.
function layOut(value: Json, indent: string, taken: number): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const isPlain = value.every((item) => typeof item !== "object" || item === null);
    const line = `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
    // With room for a comma.
    if (value.length === 0 || (isPlain && taken + line.length < WIDTH)) return line;
    return enclosed(
      "[",
      "]",
      indent,
      value.map((item) => inner + layOut(item, inner, inner.length)),
    );
  }
  if (typeof value === "object" && value !== null) {
    const lines = Object.entries(value).map(([key, item]) => {
      const start = `${inner}${JSON.stringify(key)}: `;
      return start + layOut(item, inner, start.length);
    });
    return lines.length === 0 ? "{}" : enclosed("{", "}", indent, lines);
  }
  return JSON.stringify(value);
}

function enclosed(open: string, close: string, indent: string, lines: readonly string[]): string {
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}
