import { HubError } from "../../errors.ts";
import type { Answer } from "./batch.ts";
import type { Statement } from "./statement.ts";
import type { Read, ReadContext } from "./transaction.ts";

interface Waiting extends Read {
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: unknown) => void;
}

/** Reads that go together at most: who comes last waits for those before. */
const TOGETHER = 8;

/**
 * Short reads, each on its own as long as connections are free. Those that must wait for one go together in one round trip
 * and one transaction: to begin, to send, to be woken and to receive costs both sides more than what they do.
 */
export class ReadGroups {
  readonly #connections: number;
  readonly #run: (reads: readonly Read[]) => Promise<readonly Answer[]>;
  readonly #waiting: Waiting[] = [];
  #running = 0;

  /**
   * `run` reads over one of so many connections, each with its own context, tries again what may succeed then, and answers
   * all or none.
   */
  constructor(connections: number, run: (reads: readonly Read[]) => Promise<readonly Answer[]>) {
    this.#connections = connections;
    this.#run = run;
  }

  /** What the statement is answered. */
  async read(context: ReadContext, statement: Statement): Promise<Answer> {
    return await new Promise((settle, fail) => {
      this.#waiting.push({ context, statement, settle, fail });
      if (this.#running < this.#connections) void this.#next();
    });
  }

  async #next(): Promise<void> {
    this.#running++;
    while (this.#waiting.length > 0) await this.#together(this.#waiting.splice(0, TOGETHER));
    this.#running--;
  }

  async #together(reads: readonly Waiting[]): Promise<void> {
    try {
      const answers = await this.#run(reads);
      for (let at = 0; at < reads.length; at++) (reads[at] as Waiting).settle(answers[at] as Answer);
    } catch (error) {
      const isForAll = error instanceof HubError && error.reason === "DATABASE_UNAVAILABLE";
      if (isForAll || reads.length === 1) for (const { fail } of reads) fail(error);
      else await Promise.all(reads.map((read) => this.#together([read])));
    }
  }
}
