import { create } from "@bufbuild/protobuf";
import {
  ErasureAction,
  type ErasureOutcome as ErasureOutcomeMessage,
  ErasureOutcomeSchema,
  type LegalHold as LegalHoldMessage,
  LegalHoldSchema,
} from "../../gen/centralhub/userdata/v1/userdata_pb.ts";
import {
  type ExportSeal,
  ExportSealSchema,
  type PrunedHistory,
  PrunedHistorySchema,
  type VerifyUserHistoryResponse,
  VerifyUserHistoryResponseSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import type { ErasureOutcome } from "../data/erasure-store.ts";
import type { GoneHistory, Seal, Signed } from "../data/history-records.ts";
import type { LegalHold } from "../data/user-event-store.ts";
import type { VerifiedHistory } from "../data/user-history.ts";
import { timestamp } from "./userdata-messages.ts";

/** A record of what is gone. */
export function goneMessage(record: Signed<GoneHistory>): PrunedHistory {
  const { dataType, reason, timeUs, events, keyId, signature } = record;
  return create(PrunedHistorySchema, {
    dataType,
    reason,
    pruneTime: timestamp(timeUs),
    events: events.map(({ sequence, hash }) => ({ sequence, hash: hash.toString("hex") })),
    keyId,
    signature: signature.toString("base64url"),
  });
}

/** What an export holds. */
export function sealMessage(seal: Signed<Seal>): ExportSeal {
  const { timeUs, events, newestSequence, newestHash, digest, keyId, signature } = seal;
  return create(ExportSealSchema, {
    sealTime: timestamp(timeUs),
    events,
    newestSequence,
    newestHash: newestHash.toString("hex"),
    digest: digest.toString("hex"),
    keyId,
    signature: signature.toString("base64url"),
  });
}

/** A legal hold. */
export function holdMessage({ createTimeUs, dataTypes, ...hold }: LegalHold): LegalHoldMessage {
  return create(LegalHoldSchema, {
    ...hold,
    dataTypes: [...dataTypes],
    createTime: timestamp(createTimeUs),
  });
}

/** What an erasure did. */
export function outcomeMessage(outcome: ErasureOutcome): ErasureOutcomeMessage {
  const { dataType, action, events, untilUs, heldBy } = outcome;
  return create(ErasureOutcomeSchema, {
    dataType,
    action: ErasureAction[action],
    events,
    heldBy: [...heldBy],
    ...(untilUs === undefined ? {} : { untilTime: timestamp(untilUs) }),
  });
}

/** What a check of a history has found. */
export function verifiedMessage({
  events,
  gone,
  faults,
  newest,
}: VerifiedHistory): VerifyUserHistoryResponse {
  return create(VerifyUserHistoryResponseSchema, {
    intact: faults.length === 0,
    events,
    prunedEvents: gone,
    newestSequence: newest.sequence,
    newestHash: newest.hash.toString("hex"),
    faults: [...faults],
  });
}
