import { EVENT_TABLES, type EventTable } from "../../data/event-tables.ts";

/** A constant statement; its values are the only thing that changes. Named ones are prepared once for a connection. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** A statement with its values. */
export function bind(statement: Statement, ...values: readonly unknown[]): Statement {
  return { ...statement, values };
}

/** The same statement for each table of events. */
export function perTable(make: (table: EventTable) => Statement): Readonly<Record<EventTable, Statement>> {
  return Object.fromEntries(EVENT_TABLES.map((table) => [table, make(table)])) as Record<
    EventTable,
    Statement
  >;
}

/** Microseconds since 1970 of a column, as a whole number. */
export function micros(column: string): string {
  return `(extract(epoch FROM ${column}) * 1000000)::bigint`;
}
