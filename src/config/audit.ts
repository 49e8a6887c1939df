/** Who did what: one record for each change that was made, or tried and refused. */
export interface AuditRecord {
  /** "publish" or "rollback". */
  readonly action: string;
  /** A token's subject; "anonymous" without authentication. */
  readonly caller: string;
  readonly requestId: string;
  /** "done", or the reason why not. */
  readonly outcome: string;
  /** The new revision; empty when there is none. */
  readonly revision: string;
}

/** Keeps audit records. */
export interface AuditLog {
  /** Returns once the record is kept. */
  write(record: AuditRecord): Promise<void>;
}
