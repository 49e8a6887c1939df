// Proves that proto/ breaks nobody who speaks the base: where this branch left main, or the commit before
// when this is main itself.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

function run(command: string, ...args: string[]): void {
  const { error, status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}`);
}

/** What git answers; undefined when it has no answer. */
function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

function commit(name: string): string | undefined {
  return git("rev-parse", "--verify", "--quiet", `${name}^{commit}`);
}

function baseCommit(): string | undefined {
  const head = commit("HEAD");
  const main = commit("origin/main") ?? commit("main");
  const base = main && git("merge-base", "HEAD", main);
  return base === undefined || base === head ? commit("HEAD~1") : base;
}

function main(): number {
  const base = baseCommit();
  if (!base) {
    console.log("breaking: there is no earlier commit to compare proto/ with; passed");
    return 0;
  }
  const name = git("log", "-1", "--format=%h %s", base) ?? base;
  if (!git("ls-tree", "-d", base, "proto")) {
    console.log(`breaking: the base (${name}) has no proto/; passed`);
    return 0;
  }
  if (!existsSync(join(root, ".protos"))) {
    console.error("breaking: .protos/ is missing; run: npm run protos");
    return 1;
  }
  const scratch = mkdtempSync(join(tmpdir(), "central-hub-breaking-"));
  try {
    const archive = join(scratch, "base.tar");
    run("git", "archive", "--format=tar", "-o", archive, base, "proto");
    run("tar", "-xf", archive, "-C", scratch);
    cpSync(join(root, "buf.yaml"), join(scratch, "buf.yaml"));
    cpSync(join(root, ".protos"), join(scratch, ".protos"), { recursive: true });
    const buf = spawnSync("buf", ["breaking", "--against", scratch], { cwd: root, stdio: "inherit" });
    if (buf.error) throw buf.error;
    if (buf.status === 0) console.log(`breaking: proto/ breaks nothing of ${name}`);
    else console.error(`breaking: proto/ breaks clients of ${name}`);
    return buf.status ?? 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

process.exitCode = main();
