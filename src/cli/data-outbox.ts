import { VerdictSchema } from "../../gen/centralhub/health/v1/health_pb.ts";
import { HealthService } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { enumName, type Json } from "../documents/render.ts";
import { CommandFailed, printable } from "./command.ts";
import { ask, type Target } from "./connection.ts";
import { type Output, show } from "./output.ts";
import { tableText } from "./table.ts";

/** A shard as the hub tells of it among the facts of the component. */
interface Shard {
  readonly database: number;
  readonly shard: number;
  readonly rows: number;
  readonly oldest_seconds: number;
  readonly holder: string;
  readonly last_error?: string;
  readonly last_error_time?: string;
}

/** `data outbox`: what waits for Kafka, shard by shard. Throws when the hub sends none. */
export async function showOutbox(target: Target, output: Output, out: (text: string) => void): Promise<void> {
  const { components } = await ask(target, HealthService, (hub) => hub.checkInfrastructure({}));
  const outbox = components.outbox;
  if (!outbox) {
    throw new CommandFailed(
      "this hub sends no outbox: set KAFKA_BROKERS, and DATABASE_OUTBOX to auto or on; DATABASE_OUTBOX_FROM says where to begin",
    );
  }
  const { verdict, reason, warnings, facts } = outbox;
  const shards = Object.entries(facts)
    .filter(([name]) => /^shard_\d+_\d+$/.test(name))
    .sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
    .map(([, text]) => JSON.parse(text) as Shard);
  const table = {
    columns: ["DATABASE", "SHARD", "WAITING", "OLDEST", "SENT BY", "LAST ERROR"],
    rows: shards.map((each) => [
      `${each.database}`,
      `${each.shard}`,
      `${each.rows}`,
      each.rows === 0 ? "" : `${each.oldest_seconds} s`,
      each.holder || "nobody",
      each.last_error ? `${each.last_error_time} ${each.last_error}` : "",
    ]),
  };
  const said = enumName(VerdictSchema, verdict);
  const lines = [
    ...warnings,
    `outbox: ${said}${reason ? `: ${reason}` : ""}; ${facts.rows} waiting, the oldest for ${facts.oldest_seconds} s`,
  ];
  const data = { verdict: said, reason, warnings, shards } as unknown as Json;
  show(out, output, data, tableText(table) + lines.map((line) => `${printable(line)}\n`).join(""));
}
