import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { type House, type Room, violations } from "./support/architecture.ts";

// A room is a directory under src/ (for adapters, each one's own) or a file directly in it. What a room may
// import is its own files and what its row says; everything else is a violation.

/** A room that holds the domain: messages are its vocabulary, ports its way out. */
const CORE: Room = {
  rooms: ["documents", "errors.ts"],
  gen: "messages",
  builtins: "pure",
  packages: ["@bufbuild/*", "@openfeature/*"],
};

/** A client of the API, which knows the hub by its contract only. */
const CLIENT: Room = {
  rooms: ["documents", "errors.ts", "client/client.ts"],
  gen: "all",
  builtins: "any",
  packages: "any",
};

/** The outside world behind the core's ports; the only importer of its drivers. */
function adapter(...drivers: string[]): Room {
  return {
    rooms: ["config", "health", "topology", "data", "documents", "telemetry", "errors.ts"],
    typesOf: ["settings"],
    gen: "messages",
    builtins: "any",
    packages: ["@bufbuild/*"],
    drivers,
  };
}

const HOUSE: House = {
  rooms: {
    // The process and its composition.
    "main.ts": {
      rooms: [
        ...["hub.ts", "settings", "config", "documents", "adapters/files", "cli", "telemetry", "errors.ts"],
        "settling.ts",
      ],
      gen: "none",
      builtins: "any",
      packages: "any",
    },
    "hub.ts": {
      rooms: [
        ...["settings", "documents", "config", "health", "topology", "data", "rpc", "http", "adapters/*"],
        ...["telemetry", "client", "console", "lifecycle.ts", "brokers.ts", "observe.ts", "user-data.ts"],
        ...["erasure-job.ts", "workers", "worker.ts", "errors.ts"],
      ],
      gen: "all",
      builtins: "any",
      packages: "any",
    },
    "worker.ts": {
      rooms: [
        ...["settings", "config", "rpc", "http", "adapters/files", "telemetry", "lifecycle.ts"],
        ...["user-data.ts", "workers", "settling.ts"],
      ],
      gen: "none",
      builtins: "any",
      packages: ["@connectrpc/connect"],
    },
    workers: {
      rooms: ["config", "http", "telemetry", "errors.ts"],
      typesOf: ["settings"],
      gen: "none",
      builtins: "any",
      packages: [],
    },
    "brokers.ts": {
      rooms: ["settings", "health", "topology", "data", "adapters/*", "lifecycle.ts", "errors.ts"],
      gen: "none",
      builtins: "pure",
      packages: [],
    },
    "observe.ts": {
      rooms: ["config", "health", "documents", "telemetry", "lifecycle.ts", "errors.ts"],
      gen: "messages",
      builtins: "pure",
      packages: ["@bufbuild/*"],
    },
    "user-data.ts": {
      rooms: [
        ...["settings", "config", "data", "health", "adapters/files", "adapters/postgres", "telemetry"],
        ...["lifecycle.ts", "outbox-relay.ts", "retention-job.ts", "embedded-thread.ts", "errors.ts"],
      ],
      gen: "none",
      builtins: "pure",
      packages: [],
    },
    "embedded-thread.ts": {
      rooms: ["data", "http", "rpc", "adapters/postgres"],
      gen: "none",
      builtins: "any",
      packages: [],
    },
    "outbox-relay.ts": {
      rooms: ["data", "health", "telemetry", "lifecycle.ts"],
      gen: "none",
      builtins: "pure",
      packages: [],
    },
    "retention-job.ts": {
      rooms: ["config", "data", "health", "telemetry", "lifecycle.ts"],
      gen: "none",
      builtins: "pure",
      packages: [],
    },
    "erasure-job.ts": {
      rooms: ["config", "data", "telemetry", "lifecycle.ts", "errors.ts"],
      gen: "none",
      builtins: "pure",
      packages: [],
    },
    "settling.ts": { rooms: [], gen: "none", builtins: "any", packages: [] },
    "lifecycle.ts": { rooms: [], gen: "none", builtins: "pure", packages: [] },
    "errors.ts": { rooms: [], gen: "none", builtins: "pure", packages: [] },
    telemetry: {
      rooms: ["errors.ts"],
      gen: "none",
      builtins: "any",
      packages: ["pino", "prom-client", "@opentelemetry/*"],
    },
    settings: {
      rooms: ["documents", "errors.ts"],
      gen: "messages",
      builtins: "any",
      packages: ["@bufbuild/*", "yaml"],
    },

    // The domain: no I/O.
    documents: {
      rooms: ["errors.ts"],
      gen: "messages",
      builtins: "pure",
      packages: ["@bufbuild/*", "yaml", "jsonc-parser"],
    },
    config: CORE,
    // What is observed is held against the snapshot, and a plan is made of the same comparison.
    health: { ...CORE, rooms: [...CORE.rooms, "config"] },
    topology: { ...CORE, rooms: [...CORE.rooms, "config", "health"] },
    data: { ...CORE, rooms: [...CORE.rooms, "config"] },

    // The faces.
    rpc: {
      rooms: ["config", "health", "topology", "data", "http", "http2", "documents", "telemetry", "errors.ts"],
      gen: "all",
      builtins: "any",
      packages: ["@bufbuild/*", "@connectrpc/*"],
    },
    http2: { rooms: [], gen: "none", builtins: "any", packages: [] },
    http: {
      rooms: ["http2", "config", "data", "health", "documents", "telemetry", "errors.ts"],
      typesOf: ["settings"],
      gen: "all",
      builtins: "any",
      packages: ["@bufbuild/*", "@connectrpc/*", "jose"],
    },

    // The outside world.
    "adapters/files": adapter(),
    "adapters/kafka": adapter("kafkajs", "@platformatic/kafka"),
    "adapters/nats": adapter("nats", "@nats-io/*"),
    "adapters/network": adapter(),
    "adapters/postgres": adapter("pg", "@electric-sql/pglite*", "node-pg-migrate*"),
    "adapters/zookeeper": adapter("node-zookeeper-client"),

    // The hub's own clients.
    client: CLIENT,
    cli: CLIENT,
    console: { ...CLIENT, builtins: "none" },
  },
  pureBuiltins: [
    ...["assert", "async_hooks", "buffer", "crypto", "events", "path", "perf_hooks", "string_decoder"],
    ...["timers", "url", "util"],
  ],
  doors: ["src/main.ts", "src/client/client.ts", "src/console/main.ts"],
  environmentReader: "settings",
  bannedDirectories: ["utils", "common", "helpers", "types"],
  linesMax: 300,
  longFiles: {},
};

const root = join(import.meta.dirname, "..");

function realTree(): Map<string, string> {
  const tree = new Map<string, string>();
  for (const folder of ["src", "gen"]) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue;
      const path = join(entry.parentPath, entry.name);
      tree.set(relative(root, path), readFileSync(path, "utf8"));
    }
  }
  const document = join(root, "ARCHITECTURE.md");
  if (existsSync(document)) tree.set("ARCHITECTURE.md", readFileSync(document, "utf8"));
  return tree;
}

describe("the house", () => {
  it("is in order", () => {
    expect(violations(realTree(), HOUSE)).toEqual([]);
  });
});

/** A small house in order, to which each case below adds files, or more lines to those that there are. */
const SOUND: Readonly<Record<string, string>> = {
  "ARCHITECTURE.md": ["settings", "config", "rpc", "http", "adapters", "cli", "client", "console", "data"]
    .map((room) => `- \`src/${room}/\`: a purpose\n`)
    .join(""),
  "gen/a_service_pb.ts": [
    "export type GetRequest = object;",
    "export type PlatformService = object;",
    "export const AService: GenService<object> = serviceDesc();",
    "export const Health: GenService<object> = serviceDesc();\n",
  ].join("\n"),
  "src/main.ts": 'import "./hub.ts";\nconst { run } = await import("./cli/cli.ts");\n',
  "src/hub.ts": [
    ...["settings/settings", "config/manager", "rpc/routes", "http/gate"],
    ...["adapters/kafka/client", "adapters/nats/client"],
  ]
    .map((file) => `import "./${file}.ts";\n`)
    .join(""),
  "src/settings/settings.ts": "export const env = process.env;\n",
  "src/config/manager.ts":
    'import type { GetRequest, PlatformService } from "../../gen/a_service_pb.ts";\nimport "node:crypto";\n',
  "src/rpc/routes.ts": 'import type { Gate } from "../http/gate.ts";\nimport "../../gen/a_service_pb.ts";\n',
  "src/http/gate.ts": "export type Gate = object;\nexport const gate: Gate = {};\n",
  "src/adapters/kafka/client.ts": 'import { Kafka } from "kafkajs";\nimport "../../config/manager.ts";\n',
  "src/adapters/nats/client.ts": 'import { connect } from "@nats-io/transport-node";\n',
  "src/cli/cli.ts": 'import "../client/client.ts";\n',
  "src/client/client.ts": 'import "@connectrpc/connect";\n',
};

function made(added: Readonly<Record<string, string>>): Map<string, string> {
  const tree = new Map(Object.entries(SOUND));
  for (const [path, text] of Object.entries(added)) tree.set(path, (tree.get(path) ?? "") + text);
  return tree;
}

const lines = (count: number) => "// line\n".repeat(count);

const CASES: readonly [name: string, added: Record<string, string>, expected: string[]][] = [
  ["nothing added", {}, []],
  [
    "an adapter that imports another",
    { "src/adapters/nats/client.ts": 'import "../kafka/client.ts";\n' },
    [
      "src/adapters/nats/client.ts:2: adapters/nats may not import adapters/kafka (src/adapters/kafka/client.ts)",
    ],
  ],
  [
    "config with I/O",
    { "src/config/manager.ts": 'import { readFile } from "node:fs/promises";\n' },
    ["src/config/manager.ts:3: config may not import node:fs/promises"],
  ],
  [
    "config with I/O, by the bare name of the module",
    { "src/config/manager.ts": 'import net from "net";\n' },
    ["src/config/manager.ts:3: config may not import net"],
  ],
  [
    "config that imports a package nobody listed for it",
    { "src/config/manager.ts": 'import "@connectrpc/connect";\n' },
    ["src/config/manager.ts:3: config may not import the package @connectrpc/connect"],
  ],
  [
    "config that imports a service descriptor",
    { "src/config/manager.ts": 'import { AService as Renamed } from "../../gen/a_service_pb.ts";\n' },
    ["src/config/manager.ts:3: config may not import a service descriptor (AService of gen/a_service_pb.ts)"],
  ],
  [
    "config that imports a service descriptor by its type, of another name",
    { "src/config/manager.ts": 'type T = typeof import("../../gen/a_service_pb.ts").Health;\n' },
    ["src/config/manager.ts:3: config may not import a service descriptor (Health of gen/a_service_pb.ts)"],
  ],
  [
    "config that imports everything of a file with service descriptors",
    { "src/config/manager.ts": 'export * from "../../gen/a_service_pb.ts";\n' },
    ["src/config/manager.ts:3: config may not import a service descriptor (* of gen/a_service_pb.ts)"],
  ],
  [
    "rpc that imports an adapter, only when called",
    { "src/rpc/routes.ts": 'const f = () => import("../adapters/kafka/client.ts");\n' },
    ["src/rpc/routes.ts:3: rpc may not import adapters/kafka (src/adapters/kafka/client.ts)"],
  ],
  [
    "http that takes more than types of settings",
    { "src/http/gate.ts": 'import { type Settings as S, settings } from "../settings/settings.ts";\n' },
    ["src/http/gate.ts:3: http may import types only from settings (src/settings/settings.ts)"],
  ],
  [
    "http that imports rpc",
    { "src/http/gate.ts": 'export { routes } from "../rpc/routes.ts";\n' },
    ["src/http/gate.ts:3: http may not import rpc (src/rpc/routes.ts)"],
  ],
  [
    "cli that imports the hub",
    { "src/cli/cli.ts": 'import type { Hub } from "../hub.ts";\n' },
    ["src/cli/cli.ts:2: cli may not import hub.ts (src/hub.ts)"],
  ],
  [
    "cli that goes past the client's door",
    { "src/cli/cli.ts": 'import "../client/cache.ts";\n', "src/client/cache.ts": "export {};\n" },
    ["src/cli/cli.ts:2: cli may not import client (src/client/cache.ts)"],
  ],
  [
    "a driver outside its adapter",
    { "src/cli/cli.ts": 'import pg from "pg";\n', "src/hub.ts": 'import "@electric-sql/pglite-socket";\n' },
    [
      "src/cli/cli.ts:2: cli may not import pg, the driver of adapters/postgres",
      "src/hub.ts:7: hub.ts may not import @electric-sql/pglite-socket, the driver of adapters/postgres",
    ],
  ],
  [
    "the environment read outside settings, in four ways",
    {
      "src/http/gate.ts": 'process.env["A"];\nglobalThis.process.env;\nconst { env } = process;\n',
      "src/cli/cli.ts": 'import { env } from "node:process";\n',
    },
    [
      "src/cli/cli.ts:2: only settings reads process.env",
      "src/http/gate.ts:3: only settings reads process.env",
      "src/http/gate.ts:4: only settings reads process.env",
      "src/http/gate.ts:5: only settings reads process.env",
    ],
  ],
  ["the environment named in words", { "src/http/gate.ts": '"process.env"; // process.env\n' }, []],
  ["an import in words", { "src/http/gate.ts": '/* import "../hub.ts"; */ `import "../hub.ts"`;\n' }, []],
  [
    "a name made at run time",
    { "src/http/gate.ts": "const f = (name: string) => import(name);\n" },
    ["src/http/gate.ts:3: import() of a computed name cannot be checked; write the name out"],
  ],
  [
    "a source that imports a test",
    { "src/http/gate.ts": 'import "../../test/support/x.ts";\n' },
    ["src/http/gate.ts:3: imports test/support/x.ts, which is outside src/ and gen/"],
  ],
  [
    "a directory named utils",
    { "src/http/utils/text.ts": "export {};\n", "src/http/gate.ts": 'import "./utils/text.ts";\n' },
    ["src/http/utils/: no directory bears this name"],
  ],
  [
    "a room that the table does not know",
    {
      "src/data2/a.ts": "export {};\n",
      "src/hub.ts": 'import "./data2/a.ts";\n',
      "ARCHITECTURE.md": "`src/data2/`",
    },
    [
      "src/hub.ts:7: hub.ts may not import data2 (src/data2/a.ts)",
      "src/data2: a room without a row in the table",
    ],
  ],
  [
    "a room without its line in ARCHITECTURE.md",
    { "src/health/a.ts": "export {};\n", "src/hub.ts": 'import "./health/a.ts";\n' },
    ["ARCHITECTURE.md: has no line on `src/health/`"],
  ],
  [
    "a barrel",
    { "src/http/index.ts": 'export * from "./gate.ts";\n', "src/hub.ts": 'import "./http/index.ts";\n' },
    ["src/http/index.ts: a barrel; import the files that own the things"],
  ],
  [
    "a file that nobody reaches",
    { "src/http/lost.ts": 'import "./gate.ts";\n' },
    [`src/http/lost.ts: not reachable from ${HOUSE.doors.join(" or ")}`],
  ],
  [
    "a worker, reached by its URL",
    {
      "src/http/worker.ts": "export {};\n",
      "src/http/gate.ts": 'new Worker(new URL("./worker.ts", import.meta.url));\n',
    },
    [],
  ],
  ["a file of 300 lines", { "src/http/gate.ts": lines(298) }, []],
  [
    "a file of 301 lines",
    { "src/http/gate.ts": lines(299) },
    ["src/http/gate.ts: 301 lines; over 300 it is two files"],
  ],
];

describe("a made-up house", () => {
  it.each(CASES)("with %s", (_name, added, expected) => {
    expect(violations(made(added), HOUSE)).toEqual(expected);
  });

  it("may hold a long file that is listed, while it is long", () => {
    const house = { ...HOUSE, longFiles: { "src/http/gate.ts": "one table" } };
    expect(violations(made({ "src/http/gate.ts": lines(299) }), house)).toEqual([]);
    expect(violations(made({}), house)).toEqual(["src/http/gate.ts: listed as a long file but has 2 lines"]);
  });

  it("without ARCHITECTURE.md is not in order", () => {
    const tree = made({});
    tree.delete("ARCHITECTURE.md");
    expect(violations(tree, HOUSE)).toEqual(["ARCHITECTURE.md: does not exist"]);
  });
});
