import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { PublishRefusalSchema } from "../../gen/centralhub/config/v1/release_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { DocumentsRefused } from "../config/release-desk.ts";
import { HubError, type Reason } from "../errors.ts";
import { refusalMessage } from "./release-messages.ts";

/** The one table from what is wrong to the code on the wire. */
export const CODE_OF: Readonly<Record<Reason, Code>> = {
  INVALID_REQUEST: Code.InvalidArgument,
  INVALID_SUBJECT: Code.InvalidArgument,
  REQUEST_TOO_LARGE: Code.ResourceExhausted,
  UNKNOWN_DOMAIN: Code.NotFound,
  UNKNOWN_SYSTEM: Code.NotFound,
  UNKNOWN_VERSION: Code.NotFound,
  UNKNOWN_SERVICE: Code.NotFound,
  UNKNOWN_ROUTE: Code.NotFound,
  NOT_DECLARED: Code.NotFound,
  METHOD_NOT_ALLOWED: Code.Unimplemented,
  UNKNOWN_REVISION: Code.NotFound,
  REVISION_CONFLICT: Code.Aborted,
  DOCUMENTS_REFUSED: Code.FailedPrecondition,
  HISTORY_GONE: Code.OutOfRange,
  LOG_UNAVAILABLE: Code.Unavailable,
  NOT_CONFIGURED: Code.FailedPrecondition,
  BROKER_UNAVAILABLE: Code.Unavailable,
  BROKER_REFUSED: Code.FailedPrecondition,
  PLAN_STALE: Code.FailedPrecondition,
  PLAN_DESTRUCTIVE: Code.FailedPrecondition,
  APPLY_RUNNING: Code.Aborted,
  UNKNOWN_EVENT_TYPE: Code.InvalidArgument,
  UNKNOWN_DATA_TYPE: Code.InvalidArgument,
  EVENT_CONFLICT: Code.AlreadyExists,
  EVENT_REFUSED: Code.InvalidArgument,
  QUEUE_FULL: Code.ResourceExhausted,
  DATABASE_UNAVAILABLE: Code.Unavailable,
  DATABASE_UNFIT: Code.FailedPrecondition,
  USER_ERASED: Code.FailedPrecondition,
  USER_FORBIDDEN: Code.PermissionDenied,
  TOKEN_MISSING: Code.Unauthenticated,
  TOKEN_INVALID: Code.Unauthenticated,
  TOKEN_EXPIRED: Code.Unauthenticated,
  KEYS_UNAVAILABLE: Code.Unavailable,
  SCOPE_MISSING: Code.PermissionDenied,
  SCOPE_UNDECLARED: Code.PermissionDenied,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  SHUTTING_DOWN: Code.Unavailable,
  INTERNAL: Code.Internal,
};

/** The domain of every ErrorInfo that the hub sends. */
const ERROR_DOMAIN = "centralhub";

/**
 * Makes the error that leaves the hub. What the hub knows keeps its message; anything else leaves as INTERNAL
 * with the request id, and its cause stays here, for the log.
 */
export function toConnectError(error: unknown, requestId: string): ConnectError {
  if (error instanceof ConnectError) return error;
  const known =
    error instanceof HubError
      ? error
      : new HubError(
          "INTERNAL",
          `something went wrong in the hub; its log tells more under request ${requestId}`,
          {
            metadata: { requestId },
          },
        );
  const { reason, metadata, message } = known;
  const mapped = new ConnectError(message, CODE_OF[reason]);
  // A request that cannot even be read is refused as the protocols themselves refuse it, which is without details.
  if (reason !== "REQUEST_TOO_LARGE") {
    const info = create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata });
    mapped.details.push({ desc: ErrorInfoSchema, value: info });
  }
  if (known instanceof DocumentsRefused) {
    mapped.details.push({ desc: PublishRefusalSchema, value: refusalMessage(known) });
  }
  if (known.retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(known.retryAfterMs);
    mapped.details.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  }
  mapped.cause = error;
  return mapped;
}

/** The name of an error's code as gRPC writes it, such as "NOT_FOUND"; "UNKNOWN" for what is not from the wire. */
export function codeName(error: unknown): string {
  const code = error instanceof ConnectError ? error.code : Code.Unknown;
  return Code[code].replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
