import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type RetentionMonth,
  RetentionMonthSchema,
  type UserDataService,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import type { MonthOutlook, RetentionOutlook } from "../data/retention-outlook.ts";

/** The method of UserDataService that tells what retention does. It is about no user, so anyone of its scope may ask. */
export function retentionMethods(
  outlook: RetentionOutlook,
): Pick<ServiceImpl<typeof UserDataService>, "getRetention"> {
  return {
    getRetention: async ({ dataTypes }, { signal }) => ({
      months: (await outlook.months(dataTypes, signal)).map(monthMessage),
    }),
  };
}

function monthMessage({ database, month, keeping, dueMs, count }: MonthOutlook): RetentionMonth {
  const { keepMs, reasons, dataType, retentionClass } = keeping;
  return create(RetentionMonthSchema, {
    ...{ dataType, retentionClass, database, reasons: [...reasons] },
    month: new Date(month.fromMs).toISOString().slice(0, 7),
    partition: month.partition,
    sizeBytes: BigInt(month.bytes),
    ...(dueMs === undefined ? {} : { dueTime: timestampFromMs(dueMs) }),
    ...(keepMs === undefined ? {} : { keepMs }),
    due: count !== undefined,
    events: BigInt(count?.free ?? 0),
    heldEvents: BigInt(count?.held ?? 0),
  });
}
