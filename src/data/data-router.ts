import type { DataRoute, DataRoutesConfig } from "../../gen/centralhub/config/v1/data_routes_pb.ts";
import type { DocumentSet } from "../config/document-set.ts";
import { HubError, unknownName } from "../errors.ts";
import { EVENT_TABLES, type EventTable, eventTable } from "./event-tables.ts";
import type { LegalHold } from "./user-event-store.ts";

/** Where the events of one data type go. */
export interface Route {
  readonly dataType: string;
  readonly table: EventTable;
  readonly retentionClass: string;
  /** The Kafka topic that every event is also sent to. */
  readonly topic: string;
  /** The compacted topic whose last record of a user is the user's latest state; empty: none. */
  readonly stateTopic: string;
}

// As a document declares it: its table may be one that no migration has made.
interface Declared extends Omit<Route, "table"> {
  readonly table: string;
}

interface Routes {
  readonly byDataType: ReadonlyMap<string, Declared>;
  readonly byEventType: ReadonlyMap<string, Declared>;
  readonly byTable: ReadonlyMap<string, Declared>;
}

/** The part of a configuration that says where events go. */
interface Snapshots {
  readonly snapshot: {
    readonly documents: Pick<DocumentSet, "versions"> & {
      readonly dataRoutes?: { readonly message: DataRoutesConfig } | undefined;
    };
  };
}

/** Event type → data type → table, retention class and topic, as the newest data-routes.yaml says. */
export class DataRouter {
  readonly #config: Snapshots;
  #source: unknown = this;
  #routes: Routes = routesOf({});

  constructor(config: Snapshots) {
    this.#config = config;
  }

  /** What is declared. */
  get declared(): DataRoutesConfig | undefined {
    return this.#config.snapshot.documents.dataRoutes?.message;
  }

  /** Where an event goes. Throws UNKNOWN_EVENT_TYPE, naming the known ones. */
  ofEventType(eventType: string): Route {
    const { byEventType } = this.#now();
    const route = byEventType.get(eventType);
    if (!route) {
      const remedy = "data-routes.yaml says which event types there are";
      throw unknownName("UNKNOWN_EVENT_TYPE", "event_type", eventType, byEventType.keys(), remedy);
    }
    return placed(route);
  }

  /** Where the events of a data type are. Throws UNKNOWN_DATA_TYPE, naming the known ones. */
  ofDataType(dataType: string, field = "data_type"): Route {
    const { byDataType } = this.#now();
    const route = byDataType.get(dataType);
    if (!route) throw unknownName("UNKNOWN_DATA_TYPE", field, dataType, byDataType.keys());
    return placed(route);
  }

  /** The tables of these data types; all when there is none. */
  tablesOf(dataTypes: readonly string[]): readonly EventTable[] {
    if (dataTypes.length === 0) return EVENT_TABLES;
    return dataTypes.map((dataType) => this.ofDataType(dataType, "data_types").table);
  }

  /** Which table's events go to which topic; two topics for a data type that has one for its latest state. */
  topics(): readonly { readonly table: string; readonly dataType: string; readonly topic: string }[] {
    return [...this.#now().byDataType.values()].flatMap(({ table, dataType, topic, stateTopic }) =>
      [topic, stateTopic].filter(Boolean).map((each) => ({ table, dataType, topic: each })),
    );
  }

  /**
   * Compacted topics, which keep the last record of each user, with what goes there: the state topics, and those that are
   * declared so.
   */
  compactedTopics(): readonly {
    readonly topic: string;
    readonly dataType: string;
    readonly table: EventTable;
  }[] {
    const compacted = new Set<string>();
    for (const { kafka } of this.#config.snapshot.documents.versions.values()) {
      for (const { topics } of Object.values(kafka?.message.topics ?? {}))
        for (const { name, cleanupPolicy } of Object.values(topics))
          if (cleanupPolicy.includes("compact")) compacted.add(name);
    }
    return [...this.#now().byDataType.values()].flatMap(({ dataType, topic, stateTopic, ...declared }) => {
      const table = eventTable(declared.table);
      const topics = [topic, stateTopic].filter(
        (each) => each && (each === stateTopic || compacted.has(each)),
      );
      return table ? topics.map((each) => ({ topic: each, dataType, table })) : [];
    });
  }

  /** The data type of a table. A table that is no longer anyone's keeps the name that it was made with. */
  dataTypeOf(table: EventTable): string {
    return this.#now().byTable.get(table)?.dataType ?? table.slice("user_".length);
  }

  /** Where the events of a table belong; undefined when no data type has it. */
  ofTable(table: EventTable): Route | undefined {
    const route = this.#now().byTable.get(table);
    return route && { ...route, table };
  }

  /** The names of all data types. */
  dataTypes(): readonly string[] {
    return [...this.#now().byDataType.keys()];
  }

  /**
   * Whether a hold keeps the events of a data type. One that names a data type which there is no more keeps all: what it
   * was about may have another name now.
   */
  isHeld({ dataTypes }: Pick<LegalHold, "dataTypes">, dataType: string): boolean {
    const { byDataType } = this.#now();
    return (
      dataTypes.length === 0 ||
      dataTypes.includes(dataType) ||
      dataTypes.some((named) => !byDataType.has(named))
    );
  }

  #now(): Routes {
    const message = this.declared;
    if (this.#source !== message) {
      this.#routes = routesOf(message?.dataTypes ?? {});
      this.#source = message;
    }
    return this.#routes;
  }
}

function routesOf(dataTypes: Readonly<Record<string, DataRoute>>): Routes {
  const byDataType = new Map<string, Declared>();
  const byEventType = new Map<string, Declared>();
  const byTable = new Map<string, Declared>();
  for (const [dataType, { table, retentionClass, topic, stateTopic, eventTypes }] of Object.entries(
    dataTypes,
  )) {
    const route: Declared = { dataType, table, retentionClass, topic, stateTopic };
    byDataType.set(dataType, route);
    byTable.set(table, route);
    for (const eventType of eventTypes) byEventType.set(eventType, route);
  }
  return { byDataType, byEventType, byTable };
}

function isPlaced(declared: Declared): declared is Route {
  return eventTable(declared.table) !== undefined;
}

function placed(declared: Declared): Route {
  if (isPlaced(declared)) return declared;
  const message = `data type "${declared.dataType}" names the table "${declared.table}", which no migration has made; known are: ${EVENT_TABLES.join(", ")}`;
  throw new HubError("DATABASE_UNFIT", message, { metadata: { table: declared.table } });
}
