/**
 * The tables that migrations have made, one for each data type. It is closed: nothing that a caller or a document says
 * becomes the name of a table.
 */
export const EVENT_TABLES = [
  "user_auth",
  "user_settings",
  "user_commands",
  "user_trades",
  "user_mt5_status",
  "user_risk_alerts",
  "user_transactions",
  "user_backtests",
] as const;

/** The table of a data type. */
export type EventTable = (typeof EVENT_TABLES)[number];

/** The table of this name; undefined when no migration has made it. */
export function eventTable(name: string): EventTable | undefined {
  return EVENT_TABLES.find((table) => table === name);
}
