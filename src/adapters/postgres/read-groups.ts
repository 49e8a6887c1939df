import { HubError } from "../../errors.ts";
import type { Answer } from "./batch.ts";
import type { Statement } from "./statement.ts";
import type { Read, ReadContext } from "./transaction.ts";

interface Waiting extends Read {
  /** performance.now() when it came. */
  readonly since: number;
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: unknown) => void;
}

/** Reads that go together at most: who comes last waits for those before. */
const TOGETHER = 8;
/** Connections that suffice as long as reads are short: with more of them fewer reads go together. */
const FEW = 4;
/** Time that a read waits before it gets one more connection, in milliseconds: those before it are not short. */
const PATIENCE_MS = 25;

/**
 * Short reads, each on its own as long as one of a few connections is free. Those that must wait for one go together in one
 * round trip and one transaction: to begin, to send, to be woken and to receive costs both sides more than what they do.
 * Where that takes long, there are more connections.
 */
export class ReadGroups {
  readonly #connections: number;
  readonly #run: (reads: readonly Read[]) => Promise<readonly Answer[]>;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

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
      this.#waiting.push({ context, statement, since: performance.now(), settle, fail });
      this.#begin();
    });
  }

  #begin(): void {
    if (this.#mayUseAnother()) void this.#next();
    this.#lookLater();
  }

  #mayUseAnother(): boolean {
    if (this.#waiting.length === 0 || this.#running === this.#connections) return false;
    return this.#running < FEW || this.#isLate();
  }

  #isLate(): boolean {
    const [first] = this.#waiting;
    return first !== undefined && performance.now() - first.since >= PATIENCE_MS;
  }

  #lookLater(): void {
    if (this.#waiting.length > 0 && this.#running < this.#connections)
      this.#timer ??= setTimeout(this.#look, PATIENCE_MS);
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    this.#begin();
  };

  async #next(): Promise<void> {
    this.#running++;
    do await this.#together(this.#waiting.splice(0, TOGETHER));
    while (this.#waiting.length > 0 && (this.#running <= FEW || this.#isLate()));
    this.#running--;
    this.#lookLater();
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
