import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { type Program, type Server, startServer } from "./process.ts";

export const ROOT = join(import.meta.dirname, "..");
export const BUNDLE = "dist/bundle/central-hub.js";
export const SOURCES = "src/main.ts";
const ISSUER = "https://issuer.bench";
const SCOPES = "config:read config:publish userdata:read userdata:write userdata:all-users";

/** A hub that wants a token from everyone. */
export interface BenchHub extends Server {
  /** What each call is to bring. */
  readonly authorization: string;
  /** Where its documents came from. */
  readonly configDir: string;
}

/** What is different from the shipped settings. */
export interface HubSettings {
  /** Lines of hub.yaml. */
  readonly lines?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly name?: string;
  /** Where it runs; on the servers' core by default. */
  readonly cores?: string;
  /** The bundle by default. */
  readonly entry?: typeof BUNDLE | typeof SOURCES;
}

/** The program, with documents and data of its own, and a token that it takes. */
export async function hubProgram({
  lines = [],
  env = {},
  name = "hub",
  cores,
  entry = BUNDLE,
}: HubSettings = {}): Promise<{
  readonly program: Program;
  readonly authorization: string;
  readonly configDir: string;
}> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-bench-"));
  const configDir = join(directory, "configs");
  await cp(join(ROOT, "configs"), configDir, { recursive: true });
  await writeFile(join(configDir, "hub.yaml"), ["files_poll_interval_ms: 0", ...lines, ""].join("\n"));
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: "bench", alg: "ES256" };
  await writeFile(join(directory, "jwks.json"), JSON.stringify({ keys: [jwk] }));
  const token = await new SignJWT({ scope: SCOPES })
    .setProtectedHeader({ alg: "ES256", kid: "bench" })
    .setSubject("bench")
    .setIssuer(ISSUER)
    .setAudience("central-hub")
    .setExpirationTime("2h")
    .sign(privateKey);
  const program: Program = {
    name,
    command: process.execPath,
    // As npm start does.
    args: (port) => ["--max-semi-space-size=4", join(ROOT, entry), "serve", "--port", `${port}`],
    cwd: ROOT,
    env: {
      HUB_CONFIG_DIR: configDir,
      HUB_DATA_DIR: join(directory, "data"),
      HUB_AUTH: "jwt",
      HUB_JWT_JWKS: join(directory, "jwks.json"),
      HUB_JWT_ISSUER: ISSUER,
      HUB_JWT_AUDIENCE: "central-hub",
      ...env,
    },
    temporary: directory,
    ...(cores === undefined ? {} : { cores }),
    isReady: async (port) => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
  };
  return { program, authorization: `Bearer ${token}`, configDir };
}

/** Starts a hub. */
export async function startBenchHub(settings: HubSettings = {}): Promise<BenchHub> {
  const { program, ...rest } = await hubProgram(settings);
  const server = await startServer(program);
  return {
    ...server,
    ...rest,
    stop: async () => {
      await server.stop();
      await rm(program.temporary ?? "", { recursive: true, force: true });
    },
  };
}
