import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EXIT, HELP } from "../../src/cli/run.ts";
import { DEFINITIONS } from "../../src/settings/definitions.ts";
import { runCli } from "./run-cli.ts";

describe("the command line", () => {
  it.each(["help", "--help", "-h"])("prints its help for %s", async (word) => {
    expect(await runCli([word])).toEqual({ code: EXIT.ok, out: HELP, err: "" });
  });

  const commands = ["get", "watch", "publish", "history", "diff", "rollback", "rollout", "health", "export"];
  it.each(commands)("prints the help of %s in three ways", async (command) => {
    const help = await runCli(["help", command]);
    expect(help.out).toContain(`usage: central-hub ${command} `);
    expect(HELP).toMatch(new RegExp(`^  ${command} `, "m"));
    expect(help).toEqual(await runCli([command, "--help"]));
    expect(help).toEqual(await runCli([command, "-h"]));
  });

  it.each(["version", "--version"])("prints the package's version for %s", async (word) => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await runCli([word])).toEqual({ code: EXIT.ok, out: `${version}\n`, err: "" });
  });

  it.each([
    [[], "name a command"],
    [["frobnicate"], '"frobnicate" is not a command'],
    [["--verbose"], '"--verbose" is not a command'],
  ])("refuses %j with its help on stderr", async (argv, message) => {
    const { code, out, err } = await runCli(argv);
    expect({ code, out }).toEqual({ code: EXIT.usage, out: "" });
    expect(err).toBe(`central-hub: ${message}\n\n${HELP}`);
  });

  it("has a line in its help on every flag of serve", () => {
    const names = Object.values(DEFINITIONS).flatMap(({ env }) => env ?? []);
    const flags = names.map((env) => `--${env.toLowerCase().replaceAll("_", "-").replace(/^hub-/, "")} `);
    expect(flags.filter((flag) => !HELP.includes(`  ${flag}`))).toEqual([]);
  });

  it("names every exit code in its help", () => {
    for (const code of Object.values(EXIT)) expect(HELP).toMatch(new RegExp(`^ {2}${code} {2}\\w`, "m"));
  });
});
