/** Who did what: one record for each change that was made, or tried and refused. */
export interface AuditRecord {
  /** "publish", "rollback", "apply", "set-legal-hold", "release-legal-hold", "erase-user" or "prune-month". */
  readonly action: string;
  /** A token's subject; "anonymous" without authentication, and "(the hub)" for what it does by itself. */
  readonly caller: string;
  readonly requestId: string;
  /** "done", or the reason why not; "begun" for what takes a while and says more when it ends. */
  readonly outcome: string;
  /** The new revision, or the one that brokers are made as; empty when there is none. */
  readonly revision: string;
  /** Each change of a broker by its id, with its outcome once there is one. */
  readonly changes?: readonly string[];
  /** The month of events that it is about; all of it is gone, or all but what legal holds keep. */
  readonly month?: {
    readonly partition: string;
    readonly dataType: string;
    readonly retentionClass: string;
    readonly events: number;
    readonly isGone: boolean;
  };
  /** Whose data it is about, and why. */
  readonly user?: { readonly id: string; readonly dataTypes: readonly string[]; readonly reason: string };
}

/** Keeps audit records. */
export interface AuditLog {
  /** Returns once the record is kept. */
  write(record: AuditRecord): Promise<void>;
}

/** The record of what the hub does by itself, without a call. */
export function byTheHub(
  action: string,
  outcome: string,
  about: Pick<AuditRecord, "month" | "user">,
): AuditRecord {
  return { action, caller: "(the hub)", requestId: "", outcome, revision: "", ...about };
}
