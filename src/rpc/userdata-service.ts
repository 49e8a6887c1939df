import { toBinary } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { UserEvent } from "../../gen/centralhub/userdata/v1/userdata_pb.ts";
import {
  type SaveUserEventsRequest,
  SaveUserEventsRequestSchema,
  type UserDataService,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import type { AuditLog, AuditRecord } from "../config/audit.ts";
import type { Erasure } from "../data/erasure.ts";
import type { UserData } from "../data/user-data.ts";
import { type ShownEvent, shown } from "../data/user-event.ts";
import type { UserHistory } from "../data/user-history.ts";
import { reasonOf } from "../errors.ts";
import { admitToUser, mayReadRestricted } from "../http/identity.ts";
import { callerKey, endOf, requestIdKey } from "./call-context.ts";
import { untilShutdown } from "./stream-end.ts";
import {
  goneMessage,
  holdMessage,
  outcomeMessage,
  sealMessage,
  verifiedMessage,
} from "./userdata-history-messages.ts";
import {
  ImportedMessage,
  momentMs,
  PageMessage,
  resultMessage,
  savedMessage,
  userEventMessage,
} from "./userdata-messages.ts";
import { EventsMessage } from "./userdata-reading.ts";

/** UserDataService over the events of users. Each call names its user, and who may act for that one is asked first. */
export function userDataService(
  data: UserData,
  history: UserHistory,
  erasure: Erasure,
  audit: AuditLog,
  unaryDeadlineMs: number,
): Partial<ServiceImpl<typeof UserDataService>> {
  const admitted = (context: HandlerContext, userId: string): void =>
    admitToUser(context.values.get(callerKey), userId);
  const hasRestricted = (context: HandlerContext): boolean =>
    mayReadRestricted(context.values.get(callerKey));
  const patience = (context: HandlerContext) => {
    const ms = Math.min(context.timeoutMs() ?? unaryDeadlineMs, unaryDeadlineMs);
    return { deadline: performance.now() + ms, signal: endOf(context) };
  };
  const recordOf = (context: HandlerContext, action: string, user: NonNullable<AuditRecord["user"]>) => ({
    action,
    caller: context.values.get(callerKey).subject,
    requestId: context.values.get(requestIdKey),
    revision: "",
    user,
  });
  const audited = async <Result>(
    context: HandlerContext,
    action: string,
    user: NonNullable<AuditRecord["user"]>,
    work: () => Promise<Result>,
  ): Promise<Result> => {
    const record = recordOf(context, action, user);
    try {
      const result = await work();
      await audit.write({ ...record, outcome: "done" });
      return result;
    } catch (error) {
      await audit.write({ ...record, outcome: reasonOf(error) });
      throw error;
    }
  };
  const messages = (events: readonly ShownEvent[], hasJson: boolean): UserEvent[] =>
    events.map((event) => userEventMessage(event, data.router.dataTypeOf(event.table), hasJson));

  return {
    saveUserEvent: async (request, context) => {
      admitted(context, request.userId);
      return savedMessage(await data.save(request, patience(context)));
    },

    saveUserEvents: async (request, context) => {
      const requestId = context.values.get(requestIdKey);
      if (data.importer) {
        const call = {
          ...importOf(request),
          caller: context.values.get(callerKey),
          requestId,
          routes: data.router.declared,
        };
        return new ImportedMessage(await data.importer.run(call, patience(context)));
      }
      const { events } = request;
      const admit = (userId: string): void => admitted(context, userId);
      const wait = patience(context);
      const all = await data.saveAll(events, admit, wait);
      // Nobody is there to be answered.
      if (wait.signal.aborted) return { results: [] };
      return { results: all.map((result) => resultMessage(result, requestId)) };
    },

    getUserData: async (request, context) => {
      admitted(context, request.userId);
      const { page, nextPageToken } = await data.page({
        ...request,
        afterMs: momentMs(request.afterTime),
        beforeMs: momentMs(request.beforeTime),
        hasRestricted: hasRestricted(context),
      });
      return new PageMessage(page, nextPageToken, request.dataType, request.includeJson);
    },

    watchUserData: async function* ({ userId, dataTypes, afterSequence }, context) {
      admitted(context, userId);
      const { signal } = context;
      const tails = data.watch(userId, dataTypes, afterSequence, hasRestricted(context), signal);
      for await (const tail of untilShutdown(tails, signal)) {
        yield { events: messages(tail.events.map(shown), false), sequence: tail.sequence };
      }
    },

    exportUserData: async function* ({ userId, dataTypes }, context) {
      admitted(context, userId);
      let sent = 0n;
      const parts = history.export(userId, dataTypes, hasRestricted(context));
      for await (const { events, total, gone, seal } of untilShutdown(parts, context.signal)) {
        sent += BigInt(events.length);
        const end = seal ? { seal: sealMessage(seal) } : {};
        yield {
          events: messages(events.map(shown), true),
          sent,
          total,
          pruned: gone.map(goneMessage),
          ...end,
        };
      }
    },

    verifyUserHistory: async ({ userId }, context) => {
      admitted(context, userId);
      return verifiedMessage(await history.verify(userId, context.signal));
    },

    eraseUser: async ({ userId, reason, dryRun }, context) => {
      admitted(context, userId);
      const order = { userId, reason, author: context.values.get(callerKey).subject };
      if (dryRun) return { outcomes: (await erasure.foresee(order)).map(outcomeMessage) };
      const user = { id: userId, dataTypes: [], reason };
      // On record before anything is gone, whatever comes then.
      await audit.write({ ...recordOf(context, "erase-user", user), outcome: "begun" });
      const outcomes = await audited(context, "erase-user", user, () => erasure.erase(order, context.signal));
      return { outcomes: outcomes.map(outcomeMessage) };
    },

    setLegalHold: async ({ userId, dataTypes, reason, released }, context) => {
      admitted(context, userId);
      const author = context.values.get(callerKey).subject;
      const action = released ? "release-legal-hold" : "set-legal-hold";
      const hold = await audited(context, action, { id: userId, dataTypes, reason }, async () =>
        released ? await data.releaseHold(userId) : await data.setHold({ userId, dataTypes, reason, author }),
      );
      return hold ? { hold: holdMessage(hold) } : {};
    },

    getHistoryKeys: async () => ({ jwks: await history.jwks() }),
  };
}

// The request in bytes that are given away.
function importOf(request: SaveUserEventsRequest): { bytes: Uint8Array; events: number } {
  if (request instanceof EventsMessage) return { bytes: request.take(), events: request.count };
  return { bytes: toBinary(SaveUserEventsRequestSchema, request), events: request.events.length };
}
