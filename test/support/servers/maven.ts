import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { FETCH_TIMEOUT_MS, fetched, ToolMissing } from "../fetched.ts";
import { program } from "../toolchains.ts";

const run = promisify(execFile);
const COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

export interface MavenJars {
  /** Of the directory in .tools/, with the version in it. */
  readonly name: string;
  /** `group:artifact:version`, each. */
  readonly artifacts: readonly string[];
  /** `group:artifact`: what they need and is left out nonetheless. */
  readonly excluded?: readonly string[];
  /** What else one can do when they are not to be had. */
  readonly remedy: string;
}

/**
 * The directory of jars of Java programs, with all that these need when they run, fetched by Maven from Maven Central.
 * Throws ToolMissing, which names the remedy.
 */
export async function mavenJars({ name, artifacts, excluded = [], remedy }: MavenJars): Promise<string> {
  const failure = `the jars of ${name} could not be fetched: install Maven, or set MVN to it, or ${remedy}`;
  return await fetched(name, failure, async (target) => {
    const mvn = await program("mvn").catch((error: unknown) => {
      throw error instanceof ToolMissing ? new ToolMissing(`${failure}\n${error.message}`) : error;
    });
    const pom = join(target, "pom.xml");
    await writeFile(pom, project(artifacts, excluded));
    await run(mvn, ["-B", "-q", "-f", pom, COPY, "-DincludeScope=runtime", `-DoutputDirectory=${target}`], {
      timeout: FETCH_TIMEOUT_MS,
    });
    await rm(pom);
  });
}

function project(artifacts: readonly string[], excluded: readonly string[]): string {
  const exclusions = excluded.map((each) => {
    const [group, artifact] = each.split(":");
    return `<exclusion><groupId>${group}</groupId><artifactId>${artifact}</artifactId></exclusion>`;
  });
  const dependencies = artifacts.map((each) => {
    const [group, artifact, version] = each.split(":");
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>
      <exclusions>${exclusions.join("")}</exclusions></dependency>`;
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
    <groupId>test</groupId><artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>
    <dependencies>${dependencies.join("")}</dependencies></project>`;
}
