import { floorsOf } from "../config/checks/compliance.ts";
import type { ConfigManager } from "../config/config-manager.ts";
import type { DataRouter } from "./data-router.ts";
import type { ErasureOutcome, Found, Restricted, TableFloor, Tombstones } from "./erasure-store.ts";
import { EVENT_TABLES, type EventTable } from "./event-tables.ts";
import { fromEventMs } from "./retention-rule.ts";

interface Floor {
  readonly name: string;
  /** In microseconds; undefined: for ever. */
  readonly us: bigint | undefined;
}

/** A table with the floors that keep its events. */
export type FlooredTable = TableFloor & { readonly floors: readonly Floor[] };

/** What an erasure comes to. */
export interface ErasureVerdict {
  /** Sorted by data type; of one, what is erased comes first. */
  readonly outcomes: readonly ErasureOutcome[];
  readonly restricted: readonly Restricted[];
  /** Tables that have events which nothing keeps. */
  readonly free: ReadonlySet<EventTable>;
}

const LEGAL_HOLD = "legal hold";
const DAY_US = 86_400_000_000n;
/** Events are let go of together that may go within this time of each other: each time leaves a signed record. */
const TOGETHER_US = 30n * DAY_US;

/** What keeps the events of a user who is to be erased: floors of the newest documents, and legal holds. */
export class ErasureRule {
  readonly router: DataRouter;
  readonly #config: Pick<ConfigManager, "snapshot">;

  constructor(config: Pick<ConfigManager, "snapshot">, router: DataRouter) {
    this.#config = config;
    this.router = router;
  }

  /** All tables. What is not known is kept for ever: an erasure cannot be undone. */
  tables(nowMs: number = Date.now()): readonly FlooredTable[] {
    return EVENT_TABLES.map((table) => {
      const route = this.router.ofTable(table);
      const floors = route
        ? [route.topic, route.stateTopic].flatMap((topic) => this.#floorsOf(topic, nowMs))
        : [{ name: "no data type of data-routes.yaml has the table", us: undefined }];
      const isEndless = floors.some(({ us }) => us === undefined);
      const keepUs = floors.reduce((most, { us = 0n }) => (us > most ? us : most), 0n);
      return {
        table,
        dataType: this.router.dataTypeOf(table),
        keepUs: isEndless ? undefined : keepUs,
        floors,
      };
    });
  }

  /** What becomes of records that wait, and of those in compacted topics. */
  tombstones(nowMs: number = Date.now()): Tombstones {
    const topics = this.router.topics();
    const names = new Set(topics.map(({ topic }) => topic));
    return {
      keptTopics: [...names].filter((topic) => this.#floorsOf(topic, nowMs).length > 0),
      compacted: this.router.compactedTopics(),
    };
  }

  /** What an erasure does with what was found. */
  judge(tables: readonly FlooredTable[], { nowUs, hold, tables: found, erased }: Found): ErasureVerdict {
    const gone = new Map(erased.map((outcome) => [outcome.dataType, outcome.events]));
    const restricted: Restricted[] = [];
    const free = new Set<EventTable>();
    for (const { table, dataType, keepUs, floors } of tables) {
      const has = found.get(table);
      if (!has || has.events === 0n) continue;
      const isHeld = hold !== undefined && this.router.isHeld(hold, dataType);
      const events = isHeld ? has.events : has.events - has.free;
      if (!isHeld && has.free > 0n) {
        free.add(table);
        gone.set(dataType, (gone.get(dataType) ?? 0n) + has.free);
      }
      if (events === 0n) continue;
      const lastUs = has.lastUs ?? nowUs;
      const binding = floors.filter(({ us }) => us === undefined || lastUs + us > nowUs);
      const untilUs = isHeld || keepUs === undefined ? undefined : lastUs + keepUs;
      restricted.push({
        dataType,
        action: "RESTRICTED",
        events,
        untilUs,
        heldBy: [...new Set(binding.map(({ name }) => name)), ...(isHeld ? [LEGAL_HOLD] : [])],
        nextUs: isHeld ? undefined : nextUs(nowUs, (has.firstKeptUs ?? nowUs) + (keepUs ?? 0n), untilUs),
      });
    }
    const outcomes = [
      ...[...gone].map(
        ([dataType, events]): ErasureOutcome => ({
          dataType,
          action: "ERASED",
          events,
          untilUs: undefined,
          heldBy: [],
        }),
      ),
      ...restricted,
    ].sort((a, b) => (a.dataType === b.dataType ? 0 : a.dataType < b.dataType ? -1 : 1));
    return { outcomes, restricted, free };
  }

  #floorsOf(topic: string, nowMs: number): Floor[] {
    return floorsOf(this.#config.snapshot.documents, topic, nowMs).map((floor) => {
      const ms = fromEventMs(floor);
      return { name: floor.rule, us: ms === undefined ? undefined : ms * 1000n };
    });
  }
}

// What is kept for ever is looked at each day: documents may have changed.
function nextUs(nowUs: bigint, firstFreeUs: bigint, untilUs: bigint | undefined): bigint {
  if (untilUs === undefined) return nowUs + DAY_US;
  const next = firstFreeUs > nowUs + TOGETHER_US ? firstFreeUs : nowUs + TOGETHER_US;
  return next < untilUs ? next : untilUs;
}
