import { HubError } from "../../errors.ts";
import type { Answer } from "./batch.ts";
import type { Statement } from "./statement.ts";

interface Read {
  readonly statements: readonly Statement[];
  readonly settle: (answers: readonly Answer[]) => void;
  readonly fail: (error: unknown) => void;
}

/** Transactions that go together at most: who comes last waits for those before. */
const TOGETHER = 8;

/**
 * Short transactions that read, each on its own as long as connections are free. Those that must wait for one go together in
 * one round trip: to send, to be woken and to receive costs both sides more than what they do. Each has its own context.
 */
export class ReadGroups {
  readonly #connections: number;
  readonly #run: (statements: readonly Statement[]) => Promise<readonly Answer[]>;
  readonly #waiting: Read[] = [];
  #running = 0;

  /** `run` sends statements over one of so many connections, and tries again what may succeed then. */
  constructor(connections: number, run: (statements: readonly Statement[]) => Promise<readonly Answer[]>) {
    this.#connections = connections;
    this.#run = run;
  }

  /** Runs a transaction, from its beginning to its end, and gives what each of its statements was answered. */
  async read(statements: readonly Statement[]): Promise<readonly Answer[]> {
    return await new Promise((settle, fail) => {
      this.#waiting.push({ statements, settle, fail });
      if (this.#running < this.#connections) void this.#next();
    });
  }

  async #next(): Promise<void> {
    this.#running++;
    while (this.#waiting.length > 0) await this.#together(this.#waiting.splice(0, TOGETHER));
    this.#running--;
  }

  async #together(reads: readonly Read[]): Promise<void> {
    try {
      const answers = await this.#run(reads.flatMap(({ statements }) => statements));
      let at = 0;
      for (const { statements, settle } of reads) {
        settle(answers.slice(at, at + statements.length));
        at += statements.length;
      }
    } catch (error) {
      const isForAll = error instanceof HubError && error.reason === "DATABASE_UNAVAILABLE";
      if (isForAll || reads.length === 1) for (const { fail } of reads) fail(error);
      else await Promise.all(reads.map((read) => this.#together([read])));
    }
  }
}
