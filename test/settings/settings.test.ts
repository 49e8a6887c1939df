import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { DEFINITIONS, type Definition } from "../../src/settings/definitions.ts";
import {
  checkSettingsFile,
  defaults,
  isLoopback,
  loadSettings,
  type Settings,
  SHIPPED_CONFIG_DIR,
} from "../../src/settings/settings.ts";
import { temporaryDirectory } from "../support/hub.ts";

const ALL: readonly [string, Definition<unknown>][] = Object.entries(DEFINITIONS);

type From = { file?: string; env?: Record<string, string>; flags?: Record<string, string> };

async function load({ file, env = {}, flags = {} }: From) {
  const configDir = await temporaryDirectory(file === undefined ? {} : { "hub.yaml": file });
  return loadSettings({ env: { HUB_CONFIG_DIR: configDir, ...env }, flags: new Map(Object.entries(flags)) });
}

async function settingsOf(from: From): Promise<Settings> {
  const { settings, findings } = await load(from);
  if (!settings) throw new Error(JSON.stringify(findings));
  return settings;
}

describe("a setting", () => {
  const FILE = "listen:\n  port: 7001\n";

  it("is its default when nothing sets it", async () => {
    expect(await settingsOf({})).toMatchObject({ port: 7000, host: "127.0.0.1", auth: "none" });
  });

  it("is the file's over the default, the environment's over the file's, and the flag's over all", async () => {
    const env = { HUB_PORT: "7002" };
    expect((await settingsOf({ file: FILE })).port).toBe(7001);
    expect((await settingsOf({ file: FILE, env })).port).toBe(7002);
    expect((await settingsOf({ file: FILE, env, flags: { port: "7003" } })).port).toBe(7003);
    expect((await settingsOf({ file: FILE, env, flags: { "hub-port": "7004" } })).port).toBe(7004);
  });

  it("that is empty in the environment is not set there", async () => {
    expect((await settingsOf({ file: FILE, env: { HUB_PORT: "" } })).port).toBe(7001);
  });

  it("may be a list, with commas between in the environment", async () => {
    const file = "listen:\n  cors_origins: [https://a.example]\n";
    expect((await settingsOf({ file })).corsOrigins).toEqual(["https://a.example"]);
    const env = { HUB_CORS_ORIGINS: "https://b.example, http://localhost:5173," };
    expect((await settingsOf({ file, env })).corsOrigins).toEqual([
      "https://b.example",
      "http://localhost:5173",
    ]);
  });

  it("cannot be changed once it is read, nor can what is in a list", async () => {
    const settings = await settingsOf({});
    expect(Object.isFrozen(settings)).toBe(true);
    for (const value of Object.values(settings)) expect(Object.isFrozen(value)).toBe(true);
  });

  it("is found in the shipped directory unless another one is named", async () => {
    expect(loadSettings({ env: {}, flags: new Map() }).settings?.configDir).toBe(SHIPPED_CONFIG_DIR);
    const configDir = await temporaryDirectory({ "hub.yaml": FILE });
    for (const flag of ["config-dir", "hub-config-dir"]) {
      const sources = { env: { HUB_CONFIG_DIR: "/nowhere" }, flags: new Map([[flag, configDir]]) };
      expect(loadSettings(sources).settings).toMatchObject({ configDir, port: 7001 });
    }
  });
});

describe("faults", () => {
  it("are reported all at once, each by the name of what set it", async () => {
    const { settings, findings } = await load({
      file: "listen:\n  port: many\n  colour: red\nlog_level: loud\n",
      env: { HUB_AUTH: "maybe", HUB_CORS_ORIGINS: "https://a.example/path" },
      flags: { port: "70000", verbose: "true" },
    });
    expect(settings).toBeUndefined();
    expect(findings.map(({ file, path, line }) => `${file} ${path} ${line}`).sort()).toEqual([
      "--port  1",
      "--verbose  1",
      "HUB_AUTH  1",
      "HUB_CORS_ORIGINS  1",
      "hub.yaml listen.colour 3",
      "hub.yaml listen.port 2",
      "hub.yaml log_level 4",
    ]);
    for (const finding of findings) {
      expect(finding).toMatchObject({ severity: "FAIL", rule: "settings" });
      expect(finding.remedy).not.toBe("");
    }
  });

  it("name the port that Kubernetes injects for a service called hub, and what it should be", async () => {
    const { settings, findings } = await load({ env: { HUB_PORT: "tcp://10.96.0.12:7000" } });
    expect(settings).toBeUndefined();
    expect(findings).toEqual([
      expect.objectContaining({
        file: "HUB_PORT",
        message: 'expected a whole number from 0 to 65535, found "tcp://10.96.0.12:7000"',
        remedy: "set HUB_PORT to a whole number from 0 to 65535",
      }),
    ]);
  });

  it.each(["7e3", "7000.0", "0x1b58", "-1", "65536", "port"])("include a port of %s", async (port) => {
    expect((await load({ env: { HUB_PORT: port } })).settings).toBeUndefined();
  });

  it.each([
    ["listen:\n  prot: 1\n", "hub.yaml:2 listen.prot"],
    ["listening:\n  port: 1\n", "hub.yaml:1 listening"],
    ["__proto__:\n  port: 1\n", "hub.yaml:1 __proto__"],
    ["listen: 7000\n", "hub.yaml:1 listen"],
    ["listen:\n  port:\n", "hub.yaml:2 listen.port"],
    ["listen:\n  port: 7000.5\n", "hub.yaml:2 listen.port"],
    ["listen:\n  port: [7000]\n", "hub.yaml:2 listen.port"],
    ["listen:\n  port: 1\n  port: 2\n", "hub.yaml:3 "],
    ["listen: [\n", "hub.yaml:2 "],
    ["- listen\n", "hub.yaml:1 "],
    ['listen:\n  host: "a\\nb"\n', "hub.yaml:2 listen.host"],
    ["auth:\n  jwt:\n    algorithms: [HS256]\n", "hub.yaml:3 auth.jwt.algorithms"],
    ["auth:\n  public:\n    health: yes\n", "hub.yaml:3 auth.public.health"],
  ])("of a file like %j are reported with path and line", (text, expected) => {
    expect(checkSettingsFile(text).map(({ file, line, path }) => `${file}:${line} ${path}`)).toEqual([
      expected,
    ]);
  });

  it.each(["", "listen:\n", "# nothing\n", "{}"])("are not in a file like %j", (text) => {
    expect(checkSettingsFile(text)).toEqual([]);
  });

  it.each(["constructor", "__proto__", "toString", "hub-config"])(
    "include the unknown flag --%s",
    async (flag) => {
      const { findings } = await load({ flags: Object.fromEntries([[flag, "1"]]) });
      expect(findings).toEqual([expect.objectContaining({ file: `--${flag}`, message: "is not a flag" })]);
    },
  );
});

describe("without authentication", () => {
  it.each(["0.0.0.0", "::", "192.168.1.5", "hub.example"])("the hub does not listen on %s", async (host) => {
    const { settings, findings } = await load({ env: { HUB_HOST: host } });
    expect(settings).toBeUndefined();
    expect(findings).toEqual([expect.objectContaining({ path: "auth.mode" })]);
    expect(findings[0]?.remedy).toContain("HUB_AUTH=jwt");
  });

  it.each(["127.0.0.1", "127.8.8.8", "::1", "localhost"])("the hub listens on %s", async (host) => {
    expect((await settingsOf({ env: { HUB_HOST: host } })).host).toBe(host);
  });

  it("the hub listens elsewhere when it is told that this is meant", async () => {
    const env = { HUB_HOST: "0.0.0.0", HUB_AUTH_NONE_OFF_LOOPBACK: "true" };
    expect((await settingsOf({ env })).host).toBe("0.0.0.0");
  });

  it.each(["127.evil.example", "1270.0.0.1", "", "localhost.example"])(
    "%j is not taken for this machine",
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
});

describe("with tokens", () => {
  const JWT = {
    HUB_AUTH: "jwt",
    HUB_JWT_JWKS: "/keys.json",
    HUB_JWT_ISSUER: "https://issuer.example",
    HUB_JWT_AUDIENCE: "central-hub",
  };

  it("the hub may listen anywhere", async () => {
    expect(await settingsOf({ env: { ...JWT, HUB_HOST: "0.0.0.0" } })).toMatchObject({
      auth: "jwt",
      host: "0.0.0.0",
    });
  });

  it("everything that checking them needs must be there, and what is missing is named", async () => {
    const { findings } = await load({
      env: { HUB_AUTH: "jwt" },
      file: "auth:\n  jwt:\n    algorithms: []\n",
    });
    expect(findings.map(({ path }) => path)).toEqual([
      "auth.jwt.algorithms",
      "auth.jwt.audience",
      "auth.jwt.issuer",
      "auth.jwt.jwks",
    ]);
  });

  it.each(["HUB_JWT_JWKS", "HUB_JWT_ISSUER", "HUB_JWT_AUDIENCE"])(
    "the hub does not start without %s",
    async (name) => {
      const { settings, findings } = await load({ env: { ...JWT, [name]: "" } });
      expect(settings).toBeUndefined();
      expect(findings).toEqual([expect.objectContaining({ remedy: `set ${name}` })]);
    },
  );
});

describe("TLS", () => {
  it.each(["HUB_TLS_CERT", "HUB_TLS_KEY"])("needs more than %s alone", async (name) => {
    const { settings, findings } = await load({ env: { [name]: "/file.pem" } });
    expect(settings).toBeUndefined();
    expect(findings).toEqual([expect.objectContaining({ path: "listen.tls" })]);
  });
});

describe("the shipped hub.yaml", () => {
  const text = readFileSync(join(SHIPPED_CONFIG_DIR, "hub.yaml"), "utf8");

  it("mentions every setting exactly once, at its default, and nothing else", () => {
    const leaves = new Map<string, unknown>();
    const walk = (value: unknown, path: readonly string[]): void => {
      const isGroup = typeof value === "object" && value !== null && !Array.isArray(value);
      if (!isGroup) leaves.set(path.join("."), value);
      else for (const [key, item] of Object.entries(value)) walk(item, [...path, key]);
    };
    walk(parse(text, { uniqueKeys: true }), []);
    const expected = Object.fromEntries(ALL.map(([, { key, fallback }]) => [key, fallback]));
    expect(Object.fromEntries(leaves)).toEqual(expected);
  });

  it("names each setting's environment variable once, on the lines above it", () => {
    const named = [
      ...text.matchAll(
        /\b(?:HUB_[A-Z_]+|DATABASE_[A-Z_]+|KAFKA_[A-Z_]+|NATS_[A-Z_]*URL|ZOOKEEPER_CONNECT)$/gm,
      ),
    ].map(([name]) => name);
    const known = ALL.flatMap(([, { env }]) => (env === undefined ? [] : [env]));
    expect(named.toSorted()).toEqual(known.toSorted());
  });

  it("has no fault", () => {
    expect(checkSettingsFile(text)).toEqual([]);
  });
});

describe("the definitions", () => {
  it("give each setting a place in the file and an environment name of its own", () => {
    const keys = ALL.map(([, { key }]) => key);
    expect(new Set(keys).size).toBe(keys.length);
    const names = ALL.flatMap(([, { env }]) => (env === undefined ? [] : [env]));
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(ALL)("have a default for %s that they would also read", (_name, { fallback, read }) => {
    expect(read(fallback)).toEqual(fallback);
  });

  it("have the defaults that a hub without a file gets", async () => {
    const { configDir, ...values } = await settingsOf({});
    expect(configDir).not.toBe("");
    expect(values).toEqual(defaults());
  });
});
