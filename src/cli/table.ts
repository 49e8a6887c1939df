import { printable } from "./command.ts";

/** Rows for people, with the names of their columns. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The table with aligned columns, one line for each row; nothing in a cell can steer the terminal. */
export function tableText({ columns, rows }: Table): string {
  const lines = [columns, ...rows].map((cells) => cells.map(printable));
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => cells[index]?.length ?? 0)));
  return lines
    .map(
      (cells) =>
        `${cells
          .map((cell, index) => cell.padEnd(widths[index] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
