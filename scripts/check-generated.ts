// Proves that gen/ is what buf makes of proto/ today: generates once more beside the tree and compares.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..");

function filesUnder(folder: string): Map<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.sort().map((path) => [relative(folder, path), readFileSync(path)]));
}

function compare(committed: Map<string, Buffer>, fresh: Map<string, Buffer>): string[] {
  const faults: string[] = [];
  for (const [path, text] of fresh) {
    const found = committed.get(path);
    if (!found) faults.push(`missing    gen/${path}`);
    else if (!found.equals(text)) faults.push(`differing  gen/${path}`);
  }
  for (const path of committed.keys()) if (!fresh.has(path)) faults.push(`extra      gen/${path}`);
  return faults;
}

function main(): number {
  const scratch = mkdtempSync(join(tmpdir(), "central-hub-generated-"));
  try {
    const buf = spawnSync("buf", ["generate", "-o", scratch], { cwd: root, stdio: "inherit" });
    if (buf.error) throw buf.error;
    if (buf.status !== 0) {
      console.error("generated: buf generate failed; if .protos/ is missing, run: npm run protos");
      return 1;
    }
    const fresh = filesUnder(join(scratch, "gen"));
    const faults = compare(filesUnder(join(root, "gen")), fresh);
    if (faults.length === 0) {
      console.log(`generated: the ${fresh.size} files of gen/ are fresh`);
      return 0;
    }
    console.error(
      `generated: gen/ is not what proto/ makes:\n  ${faults.join("\n  ")}\nRun: npm run generate`,
    );
    return 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

process.exitCode = main();
