import { open, rename, rm } from "node:fs/promises";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { UserEvent } from "../../gen/centralhub/userdata/v1/userdata_pb.ts";
import {
  type ExportSeal,
  type ExportUserDataResponse,
  type PrunedHistory,
  UserDataService,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { CommandFailed, type Surroundings } from "./command.ts";
import { connect, type Target } from "./connection.ts";
import { reconnecting } from "./reconnect.ts";

// docs/user-data.md describes the file.
const FORMAT = "centralhub.userdata.export.v1";
const PROGRESS_MS = 1_000;

/** Writes all of a user's data to a file, which is there only once it is whole. */
export async function exportUser(
  target: Target,
  userId: string,
  path: string,
  { err, untilStopped }: Surroundings,
): Promise<void> {
  const part = `${path}.part`;
  try {
    // Neither an export that is there nor one that is being written is written over.
    await (await open(path, "wx", 0o600)).close();
    const events = await writeAll(target, userId, part, err, untilStopped()).catch(async (error: unknown) => {
      await rm(path, { force: true });
      throw error;
    });
    await rename(part, path);
    err(`${events} events of ${JSON.stringify(userId)} in ${path}\n`);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new CommandFailed(error.message, { cause: error });
  }
}

async function writeAll(
  target: Target,
  userId: string,
  part: string,
  err: (text: string) => void,
  signal: AbortSignal,
): Promise<bigint> {
  const file = await open(part, "wx", 0o600);
  try {
    const write = (lines: readonly object[]) =>
      file.appendFile(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await write([{ kind: "header", format: FORMAT, user_id: userId }]);
    const hub = connect(target, UserDataService);
    const messages = reconnecting(target, (stop) => hub.exportUserData({ userId }, { signal: stop }), {
      once: true,
      signal,
      say: () => {},
    });
    let isSealed = false;
    let sent = 0n;
    let shown = 0;
    for await (const message of messages) {
      await write(linesOf(message));
      ({ sent } = message);
      if (performance.now() - shown > PROGRESS_MS) {
        err(`${sent} of ${message.total} events\n`);
        shown = performance.now();
      }
      if (message.seal) {
        isSealed = true;
        break;
      }
    }
    if (!isSealed) throw new CommandFailed("the export broke off before its end; run it again");
    await file.sync();
    return sent;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

function linesOf({ events, pruned, seal }: ExportUserDataResponse): object[] {
  return [...events.map(eventLine), ...pruned.map(prunedLine), ...(seal ? [sealLine(seal)] : [])];
}

function eventLine(event: UserEvent): object {
  return {
    kind: "event",
    user_id: event.userId,
    event_id: event.eventId,
    event_type: event.eventType,
    data_type: event.dataType,
    record_time: timeText(event.recordTime),
    sequence: Number(event.sequence),
    previous_hash: event.previousHash,
    hash: event.hash,
    event_json: event.eventJson,
  };
}

function prunedLine({ dataType, reason, pruneTime, events, keyId, signature }: PrunedHistory): object {
  return {
    kind: "pruned",
    data_type: dataType,
    reason,
    prune_time: timeText(pruneTime),
    events: events.map(({ sequence, hash }) => [Number(sequence), hash]),
    key_id: keyId,
    signature,
  };
}

function sealLine(seal: ExportSeal): object {
  return {
    kind: "seal",
    seal_time: timeText(seal.sealTime),
    events: Number(seal.events),
    newest_sequence: Number(seal.newestSequence),
    newest_hash: seal.newestHash,
    digest: seal.digest,
    key_id: seal.keyId,
    signature: seal.signature,
  };
}

// With microseconds, which is what is hashed and signed.
function timeText(time: Timestamp | undefined): string {
  const { seconds = 0n, nanos = 0 } = time ?? {};
  const date = new Date(Number(seconds) * 1000).toISOString();
  return date.replace(/\.\d+Z$/, `.${String(Math.trunc(nanos / 1000)).padStart(6, "0")}Z`);
}
