import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { type Child, freePorts, startChild, until } from "../test/support/servers/child.ts";

const run = promisify(execFile);

/** Servers run on the first core, what loads them on the second, so that neither takes the other's time. */
export const SERVER_CORE = "0";
export const LOAD_CORE = "1";
export const BOTH_CORES = `${SERVER_CORE},${LOAD_CORE}`;

const READY_MS = 30_000;
/** What Linux counts a process's time in, everywhere. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = Number(execFileSync("getconf", ["PAGESIZE"], { encoding: "utf8" }));

/** A program under load. */
export interface Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** Time of all its threads so far, those of processes that it has started too, the user's and the system's, in seconds. */
  cpuSeconds(): number;
  /** Memory that these hold now, in bytes. */
  residentBytes(): number;
  output(): string;
  stop(): Promise<void>;
}

/** How a server is started. */
export interface Program {
  readonly name: string;
  readonly command: string;
  /** Given a port that is free. */
  readonly args: (port: number) => readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly temporary?: string;
  /** Where it runs: "0,1" is two of them. SERVER_CORE by default. */
  readonly cores?: string;
  /** Whether it answers. */
  readonly isReady: (port: number) => Promise<boolean>;
}

/** Starts a server on its core and waits until it answers. It ends with this process at the latest. */
export async function startServer(program: Program): Promise<Server> {
  const [port = 0] = await freePorts(1);
  const child = startOn(program.cores ?? SERVER_CORE, program, port);
  const isReady = async (): Promise<boolean> => !child.isRunning() || (await program.isReady(port));
  await until(program.name, isReady, READY_MS, () => child.output());
  if (!child.isRunning()) throw new Error(`${program.name} has ended: ${child.output()}`);
  return {
    name: program.name,
    pid: child.pid,
    port,
    cpuSeconds: () => sum(familyOf(child.pid).map(cpuSecondsOf)),
    residentBytes: () => sum(familyOf(child.pid).map(residentBytesOf)),
    output: () => child.output(),
    stop: () => child.kill(),
  };
}

/** Starts a program on one core, without waiting for it. */
export function startOn(core: string, program: Omit<Program, "isReady">, port: number): Child {
  const { command, args, cwd, env = {}, temporary } = program;
  // Nothing of this shell's environment reaches a server by accident, such as the address of a database.
  const own = { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env };
  return startChild("taskset", ["-c", core, command, ...args(port)], cwd, {
    env: own,
    ...(temporary === undefined ? {} : { temporary }),
  });
}

/** Time of a process so far, in seconds. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold anything, so fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** A process and those that it has started and that run. */
export function familyOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...(children === "" ? [] : children.split(" ").map(Number))];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Memory that a process holds, in bytes. */
export function residentBytesOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES;
}

/** The first line that a program prints, such as of its version; its absence is told with the remedy. */
export async function firstLine(program: string, args: readonly string[], remedy: string): Promise<string> {
  try {
    const { stdout, stderr } = await run(program, args);
    return (stdout || stderr).trim().split("\n")[0] ?? "";
  } catch (error) {
    throw new Error(`${program} could not be run: ${remedy}`, { cause: error });
  }
}
