/** Everything that can be wrong with a call, by its stable name. Names are never reused or renamed. */
export type Reason =
  | "INVALID_REQUEST"
  | "INVALID_SUBJECT"
  | "REQUEST_TOO_LARGE"
  | "UNKNOWN_DOMAIN"
  | "UNKNOWN_SYSTEM"
  | "UNKNOWN_VERSION"
  | "UNKNOWN_SERVICE"
  | "UNKNOWN_ROUTE"
  | "NOT_DECLARED"
  | "METHOD_NOT_ALLOWED"
  | "UNKNOWN_REVISION"
  | "REVISION_CONFLICT"
  | "DOCUMENTS_REFUSED"
  | "HISTORY_GONE"
  | "LOG_UNAVAILABLE"
  | "NOT_CONFIGURED"
  | "BROKER_UNAVAILABLE"
  | "BROKER_REFUSED"
  | "PLAN_STALE"
  | "PLAN_DESTRUCTIVE"
  | "APPLY_RUNNING"
  | "UNKNOWN_EVENT_TYPE"
  | "UNKNOWN_DATA_TYPE"
  | "EVENT_CONFLICT"
  | "EVENT_REFUSED"
  | "QUEUE_FULL"
  | "DATABASE_UNAVAILABLE"
  | "DATABASE_UNFIT"
  | "USER_ERASED"
  | "USER_FORBIDDEN"
  | "TOKEN_MISSING"
  | "TOKEN_INVALID"
  | "TOKEN_EXPIRED"
  | "KEYS_UNAVAILABLE"
  | "SCOPE_MISSING"
  | "SCOPE_UNDECLARED"
  | "DEADLINE_EXCEEDED"
  | "SHUTTING_DOWN"
  | "INTERNAL";

/**
 * The one error that rooms throw on purpose. `message` reaches the client and says what is wrong and what to
 * do; `cause` is for the log alone. `metadata` holds every variable of the message, for programs.
 */
export class HubError extends Error {
  override readonly name = "HubError";
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  /** How long to wait before the same is tried again, in milliseconds; undefined when the hub has no advice. */
  readonly retryAfterMs: number | undefined;

  constructor(
    reason: Reason,
    message: string,
    options: { metadata?: Record<string, string>; cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.metadata = options.metadata ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The reason of an error, whatever has been thrown. */
export function reasonOf(error: unknown): Reason {
  return error instanceof HubError ? error.reason : "INTERNAL";
}

/** What to throw for a request, or a body once it is decompressed, of more bytes than the hub reads. */
export function requestTooLarge(maxBytes: number): HubError {
  const message =
    `the request is larger than the ${maxBytes} bytes of limits.read_max_bytes: send less at a time, or raise the limit ` +
    "in hub.yaml; documents that are larger also come in through the hub's configuration directory";
  return new HubError("REQUEST_TOO_LARGE", message, {
    metadata: { setting: "limits.read_max_bytes", limit: String(maxBytes) },
  });
}

/** A name that is not among the known ones: the message names those, at most 20 of them. */
export function unknownName(
  reason: Reason,
  field: string,
  name: string,
  known: Iterable<string>,
  remedy = "",
): HubError {
  const all = [...known].sort();
  const listed = all.slice(0, 20).join(", ") + (all.length > 20 ? `, and ${all.length - 20} more` : "");
  const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  return new HubError(
    reason,
    `${field}: "${shown}" is not known; known are: ${listed || "none"}${remedy ? `. ${remedy}` : ""}`,
    { metadata: { field, name: shown, known: listed } },
  );
}
