import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Logger } from "../telemetry/logger.ts";
import type { Taker } from "./acceptor.ts";
import { FORWARD_FD, type PrimaryCalls, type WorkerCalls } from "./calls.ts";
import { Link } from "./link.ts";

/** How a worker has ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One worker as the primary sees it, from its start to its end. */
export class Member implements Taker {
  /** From 1; a successor has its predecessor's. */
  readonly number: number;
  readonly link: Link<WorkerCalls>;
  readonly exited: Promise<Exit>;
  /** Resolves once it can serve; rejects with why it cannot. */
  readonly ready: Promise<void>;
  readonly began = performance.now();
  /** Takes part in the steps of the log. */
  isJoined = false;
  isReady = false;
  /** Has a successor, or needs none. */
  isSucceeded = false;
  readonly #child: ChildProcess;
  readonly #logger: Logger;
  readonly #ready = Promise.withResolvers<void>();
  #taken: ((isTaken: boolean) => void) | undefined;
  /** Steps that it has not answered yet. */
  #steps = 0;

  /** Starts the process from its program; `answers` is what it may ask. */
  constructor(
    program: URL,
    number: number,
    logger: Logger,
    answers: (member: Member) => Omit<PrimaryCalls, "ready" | "failed" | "taken">,
  ) {
    this.number = number;
    this.#logger = logger;
    this.#child = fork(fileURLToPath(program), [], {
      serialization: "advanced",
      // The last is a pair of sockets for the calls that are answered here.
      stdio: ["ignore", "inherit", "inherit", "ipc", "pipe"],
    });
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
    this.exited = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => this.#onExit({ code, signal }, resolve));
      this.#child.once("error", (error) => {
        this.#ready.reject(error);
        if (this.pid === undefined) this.#onExit({ code: null, signal: null }, resolve);
      });
    });
    const child = this.#child;
    this.link = new Link<WorkerCalls>(
      {
        send: (message, onSent) => void child.send(message, onSent),
        on: (event, listener) => child.on(event, (message) => listener(message as object)),
      },
      {
        ...answers(this),
        ready: () => {
          this.isReady = true;
          this.#ready.resolve();
        },
        failed: (message) => this.#ready.reject(new Error(message)),
        taken: () => this.#answerTaken(true),
      } satisfies PrimaryCalls,
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Where its forwarded calls come from. */
  get connection(): Duplex {
    const connection = this.#child.stdio[FORWARD_FD];
    if (!connection || !("write" in connection)) throw new Error("the worker has no connection for calls");
    return connection as Duplex;
  }

  hand(socket: Socket): Promise<boolean> {
    return new Promise((resolve) => {
      this.#taken = resolve;
      const onSent = (error: Error | null): void => {
        if (!error) return;
        // Nothing reaches it any more, if it has not ended anyway.
        this.kill();
        this.#answerTaken(false);
      };
      // Kept here until it is known that it has arrived there.
      this.#child.send({ connection: true }, socket, { keepOpen: true }, onSent);
    });
  }

  /** Waits for the answer to a step, which is due within so many milliseconds; a worker that does not give it is ended. */
  async due(answer: Promise<unknown>, withinMs: number, what: string): Promise<void> {
    this.#steps += 1;
    await this.#answered(answer, withinMs, what, () => false);
    this.#steps -= 1;
  }

  /** The same for a sign of life. A step has a bound of its own, and nothing else is answered before it is done. */
  async lives(answer: Promise<unknown>, withinMs: number): Promise<void> {
    await this.#answered(answer, withinMs, "ping", () => this.#steps > 0);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #answered(
    answer: Promise<unknown>,
    withinMs: number,
    what: string,
    isExcused: () => boolean,
  ): Promise<void> {
    const onLate = (): void => {
      if (isExcused()) {
        timer = setTimeout(onLate, withinMs);
        return;
      }
      this.#logger.error(
        { worker: this.number, pid: this.pid, what, withinMs },
        "a worker hangs, and is ended",
      );
      this.kill();
    };
    let timer = setTimeout(onLate, withinMs);
    await Promise.race([answer.catch(() => {}), this.exited]);
    clearTimeout(timer);
  }

  #answerTaken(isTaken: boolean): void {
    this.#taken?.(isTaken);
    this.#taken = undefined;
  }

  #onExit(exit: Exit, resolve: (exit: Exit) => void): void {
    this.isJoined = false;
    this.isReady = false;
    this.link.close("the worker has ended");
    this.#ready.reject(new Error(`worker ${this.number} has ended with ${exit.signal ?? exit.code}`));
    this.#answerTaken(false);
    resolve(exit);
  }
}
