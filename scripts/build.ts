// Bundles the hub into dist/bundle/, for a quick start and for the package: Node takes most of its start to find
// and load some hundred files one by one, and strips no types below node_modules.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";

const root = join(import.meta.dirname, "..");

// An import of one of these as a module reads all that it exports, and with that loads what fetch and WebSocket are made
// of: a good part of the start and of an idle hub's memory, which most hubs never use.
const lazyBuiltins: Plugin = {
  name: "lazy-builtins",
  setup({ onResolve, onLoad }) {
    const namespace = "lazy-builtin";
    onResolve({ filter: /^(node:)?https?$/ }, ({ path }) => ({ path: path.replace("node:", ""), namespace }));
    onLoad({ filter: /.*/, namespace }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule("node:${path}");`,
    }));
  },
};

rmSync(join(root, "dist/bundle"), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: {
    main: "src/main.ts",
    "worker-main": "src/worker.ts",
    client: "src/client/client.ts",
    "embedded-thread": "src/embedded-thread.ts",
  },
  // As deep as a room of src/, so that paths from a file to configs/ and proto/ hold in both.
  outdir: "dist/bundle",
  bundle: true,
  splitting: true,
  // They find files of their own beside themselves.
  external: ["@electric-sql/pglite", "@platformatic/kafka", "node-pg-migrate"],
  plugins: [lazyBuiltins],
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
// What V8 compiles is kept beside the bundle, over builds too: each file is found by its content. Where that cannot be
// written, the hub starts without.
for (const [program, main] of [
  ["central-hub.js", "main.js"],
  ["worker.js", "worker-main.js"],
] as const) {
  writeFileSync(
    join(root, "dist/bundle", program),
    `#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
enableCompileCache(fileURLToPath(new URL("../compiled", import.meta.url)));
await import("./${main}");
`,
  );
}
