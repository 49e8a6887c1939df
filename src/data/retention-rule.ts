import { days, type Floor, floorsOf } from "../config/checks/compliance.ts";
import type { ConfigManager } from "../config/config-manager.ts";
import type { DataRouter } from "./data-router.ts";
import type { EventTable } from "./event-tables.ts";

const DAY_MS = 86_400_000;

/** How long the events of a table are kept, and why. */
export interface Keeping {
  readonly table: EventTable;
  readonly dataType: string;
  /** Empty: no data type has the table. */
  readonly retentionClass: string;
  /** In milliseconds, from the event; undefined: for ever. */
  readonly keepMs: bigint | undefined;
  /** The class, and each floor with its citation, for people. */
  readonly reasons: readonly string[];
}

/** What is asked before a month of events is removed: the newest documents, as they say how long data is kept. */
export class RetentionRule {
  readonly router: DataRouter;
  readonly #config: Pick<ConfigManager, "snapshot">;

  constructor(config: Pick<ConfigManager, "snapshot">, router: DataRouter) {
    this.#config = config;
    this.router = router;
  }

  /**
   * The longer of the class's time and every floor on the topics of a table's data type, waivers considered that hold at
   * `nowMs`. What is not known is kept for ever.
   */
  keepingOf(table: EventTable, nowMs: number): Keeping {
    const route = this.router.ofTable(table);
    const dataType = this.router.dataTypeOf(table);
    if (!route) {
      const reasons = ["no data type of data-routes.yaml has the table: kept for ever"];
      return { table, dataType, retentionClass: "", keepMs: undefined, reasons };
    }
    const { retentionClass, topic, stateTopic } = route;
    const { documents } = this.#config.snapshot;
    const own = documents.compliance?.message.retentionClasses[retentionClass]?.retentionMs;
    const reasons = [`class ${retentionClass}: ${classText(own)}`];
    let keepMs = own === undefined || own < 0n ? undefined : own;
    for (const each of new Set([topic, stateTopic].filter(Boolean))) {
      for (const { rule, floorMs, clockStart, sources } of floorsOf(documents, each, nowMs)) {
        const floor = fromEventMs({ floorMs, clockStart });
        const isOpen = floor === undefined;
        reasons.push(`floor ${rule} on ${each}: ${floorText(floorMs, isOpen)} [${sources.join("; ")}]`);
        if (isOpen) keepMs = undefined;
        else if (keepMs !== undefined && floor > keepMs) keepMs = floor;
      }
    }
    return { table, dataType, retentionClass, keepMs, reasons };
  }
}

/**
 * How long a floor keeps an event, in milliseconds; undefined: for ever. When accounts were closed is not known here, so
 * that nothing is removed too soon.
 */
export function fromEventMs({
  floorMs,
  clockStart,
}: Pick<Floor, "floorMs" | "clockStart">): bigint | undefined {
  return clockStart === "event" ? floorMs : undefined;
}

/**
 * When a month that ends at `endMs` may be removed, in milliseconds since 1970; undefined: never. An event may come a day
 * late with an id of its own time, and is kept for a day at least.
 */
export function dueMs(endMs: number, keepMs: bigint | undefined): number | undefined {
  return keepMs === undefined ? undefined : endMs + DAY_MS + Math.max(Number(keepMs), DAY_MS);
}

function classText(ms: bigint | undefined): string {
  if (ms === undefined) return "not in compliance.yaml, kept for ever";
  return ms < 0n ? "without limit" : days(ms);
}

function floorText(ms: bigint, isOpen: boolean): string {
  return isOpen ? `${days(ms)} from the closing of the account, kept for ever` : days(ms);
}
