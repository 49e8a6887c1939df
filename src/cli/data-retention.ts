import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type RetentionMonth,
  UserDataService,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { ask, type Target } from "./connection.ts";
import { type Output, show } from "./output.ts";
import { type Table, tableText } from "./table.ts";

/** `data retention`: what would go now, and what later, and why. */
export async function showRetention(
  target: Target,
  dataTypes: readonly string[],
  output: Output,
  out: (text: string) => void,
): Promise<void> {
  const { months } = await ask(target, UserDataService, (hub) =>
    hub.getRetention({ dataTypes: [...dataTypes] }),
  );
  show(out, output, { months: months.map(monthJson) }, peopleText(months));
}

function peopleText(months: readonly RetentionMonth[]): string {
  const due = months.filter((month) => month.due);
  const events = due.reduce((sum, month) => sum + month.events, 0n);
  const held = due.filter(({ heldEvents }) => heldEvents > 0n).length;
  const now = `${due.length} of ${months.length} months are due; ${events} events go with the next run`;
  const why = [...new Map(months.map((month) => [month.dataType, month.reasons])).entries()];
  return [
    tableText(monthTable(months)),
    `${now}${held > 0 ? `; in ${held} a legal hold keeps some` : ""}\n`,
    "\n",
    tableText({
      columns: ["DATA TYPE", "WHY"],
      rows: why.flatMap(([dataType, reasons]) =>
        reasons.map((reason, index) => [index === 0 ? dataType : "", reason]),
      ),
    }),
  ].join("");
}

function monthTable(months: readonly RetentionMonth[]): Table {
  const hasSeveral = months.some(({ database }) => database > 0);
  return {
    columns: [
      ...["DATA TYPE", "MONTH", "BYTES", "CLASS", "DUE", "GOES", "HELD"],
      ...(hasSeveral ? ["DATABASE"] : []),
    ],
    rows: months.map((month) => [
      month.dataType,
      month.month,
      `${month.sizeBytes}`,
      month.retentionClass,
      month.due ? "now" : dayText(month),
      month.due ? `${month.events}` : "",
      month.due ? `${month.heldEvents}` : "",
      ...(hasSeveral ? [`${month.database}`] : []),
    ]),
  };
}

function monthJson(month: RetentionMonth) {
  return {
    data_type: month.dataType,
    month: month.month,
    partition: month.partition,
    database: month.database,
    size_bytes: Number(month.sizeBytes),
    due: month.due,
    due_time: month.dueTime ? new Date(timestampMs(month.dueTime)).toISOString() : null,
    events: Number(month.events),
    held_events: Number(month.heldEvents),
    retention_class: month.retentionClass,
    keep_ms: month.keepMs === undefined ? null : Number(month.keepMs),
    reasons: [...month.reasons],
  };
}

function dayText({ dueTime }: RetentionMonth): string {
  return dueTime ? new Date(timestampMs(dueTime)).toISOString().slice(0, 10) : "never";
}
