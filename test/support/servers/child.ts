import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";

/** A server's process with the processes that it started itself. None of them outlives this one, however it ends. */
export interface Child {
  readonly pid: number;
  /** The end of what it has printed. */
  output(): string;
  isRunning(): boolean;
  /** Settles when they are gone, however they ended. */
  readonly ended: Promise<void>;
  /** Ends them at once, and waits until they are gone. */
  kill(): Promise<void>;
  /** Holds them still, as a machine does that hangs: when this returns, none of them says anything more. */
  pause(): void;
  resume(): void;
}

const KEPT_CHARACTERS = 20_000;
const HOLD_MS = 2_000;

export interface ChildOptions {
  /** For a program that refuses to run as root. */
  readonly uid?: number;
  readonly gid?: number;
  /** A directory that goes away with this process, should nobody come to remove it. */
  readonly temporary?: string;
  /** The program's environment; this process's by default. */
  readonly env?: NodeJS.ProcessEnv;
  /** Is shown what it prints. */
  readonly onOutput?: (data: Buffer) => void;
}

/** Starts a program and a watchdog, which kills the program when the pipe to this process breaks. */
export function startChild(
  program: string,
  args: readonly string[],
  cwd: string,
  { temporary, onOutput, ...options }: ChildOptions = {},
): Child {
  // In a group of its own: Ctrl-C is for whoever started it, and ends it in due order.
  const child = spawn(program, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...options,
  });
  let output = "";
  const add = (data: Buffer): void => {
    output = (output + data.toString("utf8")).slice(-KEPT_CHARACTERS);
    onOutput?.(data);
  };
  child.stdout.on("data", add);
  child.stderr.on("data", add);
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      output += `\n${error.message}`;
      resolve();
    });
    child.once("close", () => resolve());
  });
  const { pid = 0 } = child;
  const watchdog = pid > 0 ? watch(pid, temporary) : undefined;
  // The first one is held still before, lest it start more of them.
  const signal = (name: NodeJS.Signals): void => {
    if (pid === 0 || child.exitCode !== null || child.signalCode !== null) return;
    hold(pid);
    for (const each of childrenOf(pid)) {
      if (name === "SIGSTOP") hold(each);
      else send(each, name);
    }
    child.kill(name);
  };
  const killNow = (): void => signal("SIGKILL");
  process.once("exit", killNow);
  void ended.then(() => {
    process.off("exit", killNow);
    watchdog?.kill("SIGKILL");
  });
  return {
    pid,
    output: () => output,
    ended,
    isRunning: () => pid > 0 && child.exitCode === null && child.signalCode === null,
    kill: () => {
      killNow();
      return ended;
    },
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
  };
}

/** Below those that systems give to whoever connects, or listens on any: a server that is started again finds its own free. */
const PORTS = { first: 10_000, last: 32_767 };

/** Ports of the loopback interface that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(PORTS.first, PORTS.last + 1);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Tries until it is true; throws with what `state` says when it is not in time, or when `state` gives up. */
export async function until(
  what: string,
  isTrue: () => Promise<boolean>,
  timeoutMs: number,
  state: () => string,
): Promise<void> {
  for (const end = performance.now() + timeoutMs; performance.now() < end; ) {
    if (await isTrue().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${what}: not within ${timeoutMs} ms\n${state()}`);
}

// A signal has an effect some time later, and whoever pauses a server counts on its silence.
function hold(pid: number): void {
  send(pid, "SIGSTOP");
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (const end = performance.now() + HOLD_MS; !isStill(pid) && performance.now() < end; ) {
    Atomics.wait(sleeper, 0, 0, 1);
  }
}

// Every thread is stopped, or gone; or the system does not tell.
function isStill(pid: number): boolean {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    // The state stands behind the name in brackets, which may hold anything.
    return tasks.every((task) =>
      /\) [TtZXx] [^)]*$/.test(readFileSync(`/proc/${pid}/task/${task}/stat`, "utf8")),
    );
  } catch {
    return !existsSync(`/proc/${pid}/task`);
  }
}

// Empty where the system does not tell.
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

function watch(pid: number, temporary = ""): ChildProcess {
  // The second look at the directory is for what was written while they ended.
  const last = `read -r _; kill -STOP ${pid}; kill -9 $(cat /proc/${pid}/task/${pid}/children) ${pid}
    [ -z "$1" ] || { rm -rf "$1"; sleep 1; rm -rf "$1"; }`;
  const watchdog = spawn("/bin/sh", ["-c", last, "watchdog", temporary], {
    stdio: ["pipe", "ignore", "ignore"],
    // A group of its own: what ends this process's group must leave it time to act.
    detached: true,
  });
  watchdog.on("error", () => {});
  watchdog.unref();
  return watchdog;
}
