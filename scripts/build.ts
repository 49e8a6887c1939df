// Bundles the hub into dist/bundle/, for a quick start and for the package: Node takes most of its start to find
// and load some hundred files one by one, and strips no types below node_modules.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");

rmSync(join(root, "dist/bundle"), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: {
    "central-hub": "src/main.ts",
    client: "src/client/client.ts",
    "pglite-worker": "src/adapters/postgres/pglite-worker.ts",
  },
  // As deep as a room of src/, so that paths from a file to configs/ and proto/ hold in both.
  outdir: "dist/bundle",
  bundle: true,
  splitting: true,
  // They find files of their own beside themselves.
  external: ["@electric-sql/pglite", "@platformatic/kafka", "node-pg-migrate"],
  platform: "node",
  format: "esm",
  target: "node22",
  // Some packages name a UMD file as their main, whose requires no bundler can follow.
  mainFields: ["module", "main"],
  sourcemap: "linked",
  sourcesContent: false,
  logLevel: "warning",
  // CommonJS packages within the bundle still ask for Node's own modules with require.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module";const require = __createRequire(import.meta.url);',
  },
});
