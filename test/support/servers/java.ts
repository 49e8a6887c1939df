import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ToolMissing } from "../fetched.ts";
import { program } from "../toolchains.ts";

const run = promisify(execFile);
const JAVA_MAJOR = 17;

/** The path of a Java that is new enough for every server here: that of JAVA_HOME, else `JAVA=/path` or the PATH. */
export async function javaProgram(): Promise<string> {
  const { JAVA_HOME } = process.env;
  const java = JAVA_HOME ? join(JAVA_HOME, "bin/java") : await program("java");
  const { stderr } = await run(java, ["-version"], { timeout: 10_000 });
  const major = Number(/version "(\d+)/.exec(stderr)?.[1]);
  if (major >= JAVA_MAJOR) return java;
  throw new ToolMissing(
    `${java} is Java ${major}, and ${JAVA_MAJOR} is needed: set JAVA_HOME, or JAVA to the path of such a program`,
  );
}

/** What a virtual machine for tests is told: the jars of a directory, a quick start, little memory, few words. */
export function javaFlags(jars: string): string[] {
  return [
    ...["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"],
    ...["-XX:-UsePerfData", "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"],
    ...["-cp", join(jars, "*")],
  ];
}
