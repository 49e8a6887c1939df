import { DatabaseError } from "pg";
import { HubError } from "../../errors.ts";

// Classes and codes of PostgreSQL's errors: https://www.postgresql.org/docs/current/errcodes-appendix.html
/** Another transaction was in the way; the same may succeed when it is tried again. */
const CONTENTION = new Set(["40001", "40P01", "55P03"]);
/** The server, not the statement, is at fault, and may recover: connections, resources, operators, disks, a standby. */
const OUTAGE = /^(08|53|57|58|XX|25006|25P03|28|3D)/;
const DISK_FULL = "53100";
/** What the hub may do, or what is there, is not as the migrations leave it. */
const UNFIT = /^(42|0A|3F)/;
/** A check, or a row that fits no partition. */
const NO_PARTITION = "23514";
/** What the driver and the embedded database say of a connection that is gone; these errors have no code. */
const CONNECTION = /connection (terminated|error)|timeout|has ended/i;

/** Whether the same may succeed when it is tried again at once. */
export function isContention(error: unknown): boolean {
  return error instanceof DatabaseError && CONTENTION.has(error.code ?? "");
}

/** Whether the error is of the connection, as it is when the server has been restarted since the last use. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof DatabaseError) return /^(08|57P0)/.test(error.code ?? "");
  if (!(error instanceof Error)) return false;
  const isOfSystem = "code" in error && typeof error.code === "string" && /^E[A-Z]/.test(error.code);
  return isOfSystem || CONNECTION.test(error.message);
}

/** What the hub makes of an error of the driver; one that is the fault of a row stays as it is. */
export function toFailure(error: unknown): unknown {
  if (error instanceof HubError) return error;
  if (isConnectionLost(error) || error instanceof TookTooLong) return unavailable(error);
  if (!(error instanceof DatabaseError)) {
    return new HubError("INTERNAL", "something went wrong in the hub; its log tells more", { cause: error });
  }
  const { code = "" } = error;
  if (UNFIT.test(code)) {
    return new HubError("DATABASE_UNFIT", `the database refuses the hub: ${error.message}`, { cause: error });
  }
  if (code === DISK_FULL) return diskFull(error);
  if (code === NO_PARTITION && /no partition of relation/.test(error.message)) {
    const message =
      "event_id: its time lies in a month that there is no partition for, such as one that retention has removed; make the id when the event happens, and see that the clocks of the hub and of the database agree";
    return new Error(message, { cause: error });
  }
  return CONTENTION.has(code) || OUTAGE.test(code) ? unavailable(error) : error;
}

/** Nobody frees a disk sooner. */
const DISK_FULL_RETRY_MS = 5_000;

/** The database has not answered in time. */
export class TookTooLong extends Error {}

/** The database is out of reach: whether the last statement was carried out is not known. */
export function unavailable(cause: unknown): HubError {
  const why = cause instanceof Error ? cause.message || String(cause) : String(cause);
  const message = `the database of user data is out of reach (${why}); an event that was being saved may have been saved, and saving it again with the same event_id is safe`;
  return new HubError("DATABASE_UNAVAILABLE", message, { cause, retryAfterMs: 500 });
}

function diskFull(cause: DatabaseError): HubError {
  const message = `the disk of the database of user data is full (${cause.message}); free space there, and save the event again with the same event_id`;
  return new HubError("DATABASE_UNAVAILABLE", message, { cause, retryAfterMs: DISK_FULL_RETRY_MS });
}
