import { type Connection, type DatabaseError, type PoolClient, types } from "pg";
import { type Parameter, parameterOf } from "./parameters.ts";
import { isPooled } from "./pooler.ts";
import type { Statement } from "./statement.ts";

/** What one statement of a batch was answered. */
export interface Answer<Row extends object = object> {
  /** What was done, such as "SELECT" or "COMMIT". */
  readonly command: string;
  readonly rows: readonly Row[];
}

interface Column {
  readonly name: string;
  readonly parse: (text: string) => unknown;
}

/** A statement that a connection has parsed, with the columns of its answer. */
interface Prepared {
  columns: readonly Column[];
}

type Row = Record<string, unknown>;

/** Runs statements in one round trip; the first that fails is the reason why those after it are not run. */
export async function runBatch(
  client: PoolClient,
  statements: readonly Statement[],
): Promise<readonly Answer[]> {
  return await new Promise((resolve, reject) => {
    client.query(new Batch(isPooled(client) ? unnamed(statements) : statements, resolve, reject));
  });
}

// Parsed each time, and gone with the transaction.
function unnamed(statements: readonly Statement[]): readonly Statement[] {
  return statements.map((statement) => ({ ...statement, name: "" }));
}

const preparedOn = new WeakMap<Connection, Map<string, Prepared>>();

/**
 * Statements that are sent together, with one end for all: neither side tells the other of each one's. What `pg` makes of
 * single queries costs more than most of these statements do. The methods are those that `pg` calls on a query.
 */
class Batch {
  readonly #statements: readonly Statement[];
  readonly #resolve: (answers: readonly Answer[]) => void;
  readonly #reject: (error: Error) => void;
  readonly #prepared: Prepared[] = [];
  readonly #new = new Map<string, Prepared>();
  readonly #answers: Answer[] = [];
  #rows: object[] = [];
  #fault: Error | undefined;

  constructor(
    statements: readonly Statement[],
    resolve: (answers: readonly Answer[]) => void,
    reject: (error: Error) => void,
  ) {
    this.#statements = statements;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: Connection): Error | null {
    let parameters: readonly (readonly Parameter[])[];
    try {
      parameters = this.#statements.map(({ values = [] }) => values.map(parameterOf));
    } catch (error) {
      return error as Error;
    }
    const known = preparedOn.get(connection);
    connection.stream.cork();
    for (const [index, { name = "", text }] of this.#statements.entries()) {
      let prepared = known?.get(name) ?? this.#new.get(name);
      const isNew = !prepared;
      prepared ??= { columns: [] };
      this.#prepared.push(prepared);
      if (isNew) {
        if (name !== "") {
          // A batch that failed may have left it there.
          connection.close({ type: "S", name }, true);
          this.#new.set(name, prepared);
        }
        connection.parse({ name, text, types: [] }, true);
      }
      connection.bind({ statement: name, values: parameters[index] as Parameter[] }, true);
      if (isNew) connection.describe({ type: "P", name: "" }, true);
      connection.execute(null, true);
    }
    connection.sync();
    connection.stream.uncork();
    return null;
  }

  handleRowDescription({
    fields,
  }: {
    fields: readonly { readonly name: string; readonly dataTypeID: number }[];
  }): void {
    const prepared = this.#prepared[this.#answers.length] as Prepared;
    prepared.columns = fields.map(({ name, dataTypeID }) => ({
      name,
      parse: types.getTypeParser(dataTypeID) as Column["parse"],
    }));
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    const { columns } = this.#prepared[this.#answers.length] as Prepared;
    try {
      const row: Row = {};
      for (let at = 0; at < columns.length; at++) {
        const { name, parse } = columns[at] as Column;
        const text = fields[at];
        row[name] = typeof text === "string" ? parse(text) : null;
      }
      this.#rows.push(row);
    } catch (error) {
      this.#fault ??= error as Error;
    }
  }

  handleCommandComplete({ text }: { text: string }): void {
    const end = text.indexOf(" ");
    this.#answers.push({ command: end < 0 ? text : text.slice(0, end), rows: this.#rows });
    this.#rows = [];
  }

  handleReadyForQuery(connection: Connection): void {
    const known = preparedOn.get(connection);
    if (!known) preparedOn.set(connection, this.#new);
    else for (const [name, prepared] of this.#new) known.set(name, prepared);
    if (this.#fault) this.#reject(this.#fault);
    else this.#resolve(this.#answers);
  }

  handleError(error: DatabaseError | Error): void {
    this.#reject(error);
  }
}
