/** A constant statement; its values are the only thing that changes. Named ones are prepared once for a connection. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
  /** Makes a row of what stands in its columns, for statements with many; others give objects by their columns' names. */
  readonly row?: (texts: readonly (string | null)[]) => object;
}

/** A statement with its values. */
export function bind(statement: Statement, ...values: readonly unknown[]): Statement {
  return { ...statement, values };
}
