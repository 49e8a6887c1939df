import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { type Finding, formatPath, Report } from "../documents/findings.ts";
import { type ParsedText, parseText } from "../documents/text.ts";
import { DEFINITIONS, type Definition, Fault } from "./definitions.ts";

type Values = { -readonly [Name in keyof typeof DEFINITIONS]: ValueOf<(typeof DEFINITIONS)[Name]> };
type ValueOf<D> = D extends Definition<infer Value> ? Value : never;

/** The hub's own settings: read once at the start, then frozen. Times in milliseconds, sizes in bytes. */
export type Settings = Readonly<Values> & {
  /** The directory of the documents and of hub.yaml, as an absolute path. */
  readonly configDir: string;
};

/** Where settings come from; later ones win: defaults, hub.yaml, the environment, flags. */
export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags by name without dashes, such as "port" or "hub-port". */
  readonly flags: ReadonlyMap<string, string>;
}

/** The documents that the package ships. */
export const SHIPPED_CONFIG_DIR = resolve(import.meta.dirname, "../../configs");
/** The SQL that makes the database of user data what this version needs. */
export const MIGRATIONS_DIR = resolve(import.meta.dirname, "../../migrations");
const SETTINGS_FILE = "hub.yaml";

/** The environment of this process. Nothing else in the hub reads it. */
export const processEnv: Sources["env"] = process.env;

/** Reads all settings. With any fault in the findings, `settings` must not be used and is undefined. */
export function loadSettings(sources: Sources): {
  settings: Settings | undefined;
  findings: readonly Finding[];
} {
  const report = new Report();
  const configDir = resolve(
    sources.flags.get("config-dir") ??
      sources.flags.get("hub-config-dir") ??
      (sources.env.HUB_CONFIG_DIR || SHIPPED_CONFIG_DIR),
  );
  const values = defaults();
  const path = join(configDir, SETTINGS_FILE);
  if (existsSync(path)) readFile(values, readFileSync(path, "utf8"), report);
  readNamed(values, sources, report);
  checkTogether(values, report);
  const settings = report.failed ? undefined : Object.freeze({ ...values, configDir });
  return { settings, findings: report.findings };
}

/** The faults of a hub.yaml by itself, for `validate`. */
export function checkSettingsFile(text: string): readonly Finding[] {
  const report = new Report();
  const values = defaults();
  readFile(values, text, report);
  checkTogether(values, report);
  return report.findings;
}

/** Every setting at its default. */
export function defaults(): Values {
  const entries = Object.entries(DEFINITIONS).map(([name, definition]) => [name, definition.fallback]);
  return Object.fromEntries(entries) as Values;
}

/** Whether user data is kept in the hub itself, and on no server. */
export function isEmbedded({ databaseUrl, databaseShards }: Settings): boolean {
  return databaseUrl === "" && databaseShards.length === 0;
}

/** Whether a host is one that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function readFile(values: Values, text: string, report: Report): void {
  const parsed = parseText(SETTINGS_FILE, text, report);
  if (!parsed) return;
  const byKey = new Map(Object.entries(DEFINITIONS).map(([name, definition]) => [definition.key, name]));
  walk(parsed, parsed.value, [], byKey, values, report);
}

function walk(
  parsed: ParsedText,
  value: unknown,
  path: readonly string[],
  byKey: ReadonlyMap<string, string>,
  values: Values,
  report: Report,
): void {
  const key = path.join(".");
  const at = { file: SETTINGS_FILE, path: formatPath(path), line: parsed.lineOf(path) };
  const name = byKey.get(key);
  if (name !== undefined) {
    set(values, name, value, (expected) => fault(report, at, `expected ${expected}`, `write ${expected}`));
  } else if (path.length > 0 && ![...byKey.keys()].some((known) => known.startsWith(`${key}.`))) {
    fault(
      report,
      at,
      `"${key}" is not a setting`,
      `remove it, or use one of: ${[...byKey.keys()].join(", ")}`,
    );
  } else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [step, item] of Object.entries(value))
      walk(parsed, item, [...path, step], byKey, values, report);
  } else if (value !== null) {
    fault(report, at, "expected a group of settings", "write the settings of this group below it");
  }
}

function readNamed(values: Values, { env, flags }: Sources, report: Report): void {
  const known = new Set(["config-dir", "hub-config-dir"]);
  for (const [name, definition] of Object.entries(DEFINITIONS)) {
    if (definition.env === undefined) continue;
    const long = definition.env.toLowerCase().replaceAll("_", "-");
    const names = long.startsWith("hub-") ? [long, long.slice("hub-".length)] : [long];
    for (const flag of names) known.add(flag);
    const flag = names.find((item) => flags.has(item));
    const source = flag ? `--${flag}` : definition.env;
    const value = flag ? flags.get(flag) : env[definition.env] || undefined;
    if (value === undefined) continue;
    const at = { file: source, path: "", line: 1 };
    set(values, name, value, (expected) =>
      fault(report, at, `expected ${expected}, found "${value}"`, `set ${source} to ${expected}`),
    );
  }
  for (const flag of flags.keys()) {
    if (known.has(flag)) continue;
    fault(report, { file: `--${flag}`, path: "", line: 1 }, "is not a flag", "see central-hub serve --help");
  }
}

function set(values: Values, name: string, value: unknown, onFault: (expected: string) => void): void {
  const definition: Definition<unknown> = DEFINITIONS[name as keyof Values];
  const read = definition.read(value);
  if (read instanceof Fault) onFault(read.expected);
  else Object.assign(values, { [name]: read });
}

function checkTogether(values: Values, report: Report): void {
  const at = (path: string) => ({ file: SETTINGS_FILE, path, line: 1 });
  if ((values.tlsCert === "") !== (values.tlsKey === "")) {
    fault(
      report,
      at("listen.tls"),
      "a certificate needs its key and a key its certificate",
      "set HUB_TLS_CERT and HUB_TLS_KEY, or neither",
    );
  }
  if (values.auth === "none" && !isLoopback(values.host) && !values.authNoneOffLoopback) {
    fault(
      report,
      at("auth.mode"),
      `without authentication the hub listens on loopback only, not on ${values.host}`,
      "set HUB_AUTH=jwt, or HUB_HOST=127.0.0.1, or HUB_AUTH_NONE_OFF_LOOPBACK=true if everyone who reaches the address may do everything",
    );
  }
  checkShards(values.databaseShards, report);
  if (values.auth !== "jwt") return;
  for (const [name, path, env] of [
    ["jwtJwks", "auth.jwt.jwks", "HUB_JWT_JWKS"],
    ["jwtIssuer", "auth.jwt.issuer", "HUB_JWT_ISSUER"],
    ["jwtAudience", "auth.jwt.audience", "HUB_JWT_AUDIENCE"],
  ] as const) {
    if (values[name] === "") fault(report, at(path), "is needed to check tokens", `set ${env}`);
  }
  if (values.jwtAlgorithms.length === 0) {
    fault(report, at("auth.jwt.algorithms"), "no algorithm is allowed", "name one at least, such as ES256");
  }
}

/** A database and the buckets of users that it holds. */
export interface DatabaseShard {
  readonly from: number;
  readonly to: number;
  readonly url: string;
  /** Empty: migrations are run by somebody else, or by the login of `url`. */
  readonly adminUrl: string;
}

const BUCKETS = 1024;

/** The databases of `database.shards`. */
export function databaseShards(shards: readonly string[]): readonly DatabaseShard[] {
  return shards.map((shard) => {
    const [range = "", url = "", adminUrl = ""] = shard.split(/ +/);
    const [from = 0, to = 0] = range.split("-").map(Number);
    return { from, to, url, adminUrl };
  });
}

function checkShards(shards: readonly string[], report: Report): void {
  if (shards.length === 0) return;
  const owners = new Array<number>(BUCKETS).fill(0);
  for (const { from, to } of databaseShards(shards)) {
    for (let bucket = from; bucket <= to; bucket++) owners[bucket] = (owners[bucket] ?? 0) + 1;
  }
  const wrong = owners.findIndex((count) => count !== 1);
  if (wrong < 0 && owners.length === BUCKETS) return;
  const at = { file: SETTINGS_FILE, path: "database.shards", line: 1 };
  const what =
    wrong >= BUCKETS || wrong < 0
      ? "there are only 1,024 buckets"
      : `bucket ${wrong} has ${owners[wrong]} databases`;
  fault(report, at, what, "give each bucket from 0 to 1023 one database");
}

function fault(
  report: Report,
  at: Pick<Finding, "file" | "path" | "line">,
  message: string,
  remedy: string,
): void {
  report.add({ severity: "FAIL", rule: "settings", ...at, message, remedy });
}
