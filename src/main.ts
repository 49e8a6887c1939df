#!/usr/bin/env node
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT, HELP, runCommand } from "./cli/run.ts";
import { type Finding, formatFinding } from "./documents/findings.ts";
import { checkSettingsFile, loadSettings, processEnv, SHIPPED_CONFIG_DIR } from "./settings/settings.ts";
import { settleAfterStart } from "./settling.ts";

// What only one command needs is imported there: to load all of the hub takes longer than most commands run.

/** Runs one command line; returns its exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  const asksHelp = rest.includes("--help") || rest.includes("-h");
  if (asksHelp && ["serve", "validate", "log"].includes(command ?? "")) {
    process.stdout.write(HELP);
    return EXIT.ok;
  }
  switch (command) {
    case "serve":
      return await serve(rest);
    case "validate":
      return await validate(rest);
    case "log":
      return await verifyLog(rest);
    case "data":
      if (rest[0] === "verify" && !asksHelp) return await verifyExport(rest.slice(1));
      return await runCommand(argv, { env: processEnv });
    default:
      return await runCommand(argv, { env: processEnv });
  }
}

async function serve(args: readonly string[]): Promise<number> {
  const flags = readFlags(args);
  if (!flags) return EXIT.usage;
  const { settings, findings } = loadSettings({ env: processEnv, flags });
  if (!settings) return refuse("The settings are not fit to start with.", findings, EXIT.usage);
  const [{ startHub }, { DocumentsUnfit }, { createLogger }] = await Promise.all([
    import("./hub.ts"),
    import("./config/live-config.ts"),
    import("./telemetry/logger.ts"),
  ]);
  const logger = createLogger(settings.logLevel);
  process.on("uncaughtException", (error) => {
    // Nothing that a client sends may get here. What does is a fault of the hub, whose state is then unknown.
    logger.error({ err: error }, "the hub ends on an error that nothing caught");
    process.exit(EXIT.failure);
  });
  try {
    const hub = await startHub(settings, logger);
    process.stdout.write(greeting(hub.url, settings.auth));
    settleAfterStart();
    await stopSignal();
    logger.info({}, "the hub stops");
    await hub.stop();
    return EXIT.ok;
  } catch (error) {
    if (error instanceof DocumentsUnfit) {
      return refuse(
        `The documents in ${settings.configDir} are not fit to be served.`,
        error.findings,
        EXIT.failure,
      );
    }
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`The hub could not start: ${message}\n`);
    return EXIT.failure;
  }
}

async function validate(args: readonly string[]): Promise<number> {
  const [directory = SHIPPED_CONFIG_DIR, ...more] = args;
  if (more.length > 0 || directory.startsWith("-")) {
    process.stderr.write("usage: central-hub validate [directory]\n");
    return EXIT.usage;
  }
  const { readDocumentDirectory } = await import("./adapters/files/document-directory.ts");
  const { compile } = await import("./config/snapshot.ts");
  try {
    const texts = await readDocumentDirectory(directory);
    const settings = await readFile(join(directory, "hub.yaml"), "utf8").catch(() => undefined);
    const findings = [...compile(texts).report.findings, ...(settings ? checkSettingsFile(settings) : [])];
    for (const finding of findings) process.stdout.write(`${formatFinding(finding)}\n`);
    const fails = findings.filter(({ severity }) => severity === "FAIL").length;
    process.stdout.write(`${texts.size} documents, ${fails} FAIL, ${findings.length - fails} WARN\n`);
    return fails > 0 ? EXIT.failure : EXIT.ok;
  } catch (error) {
    process.stderr.write(
      `${directory} could not be read: ${error instanceof Error ? error.message : error}\n`,
    );
    return EXIT.failure;
  }
}

// With --data-dir it needs no settings of a hub: a backup is checked anywhere.
async function verifyLog([action, ...args]: readonly string[]): Promise<number> {
  const flags = action === "verify" ? readFlags(args) : undefined;
  if (!flags || [...flags.keys()].some((name) => name !== "data-dir")) {
    process.stderr.write("usage: central-hub log verify [--data-dir DIR]\n");
    return EXIT.usage;
  }
  const { settings, findings } = loadSettings({ env: flags.has("data-dir") ? {} : processEnv, flags });
  if (!settings) return refuse("The settings do not say where the log is.", findings, EXIT.usage);
  if (settings.revisionLog !== "file" && !flags.has("data-dir")) {
    process.stderr.write("The hub keeps its revisions in a NATS stream; --data-dir names a directory.\n");
    return EXIT.usage;
  }
  const { reportOnLog } = await import("./adapters/files/verify-log.ts");
  try {
    const { isSound, text } = await reportOnLog(settings.dataDir);
    process.stdout.write(text);
    return isSound ? EXIT.ok : EXIT.failure;
  } catch (error) {
    process.stderr.write(`The log could not be read: ${error instanceof Error ? error.message : error}\n`);
    return EXIT.failure;
  }
}

// Needs no hub and no settings: whoever has the file and the keys can do it.
async function verifyExport(args: readonly string[]): Promise<number> {
  const [path, flag, inline] = args[1]?.startsWith("--keys=")
    ? [args[0], "--keys", args[1].slice("--keys=".length)]
    : args;
  if (!path || path.startsWith("-") || flag !== "--keys" || !inline || args.length > 3) {
    process.stderr.write(
      "usage: central-hub data verify FILE --keys FILE; `central-hub data key` writes the keys of a hub that you trust\n",
    );
    return EXIT.usage;
  }
  const { reportOnExport } = await import("./adapters/files/verify-export.ts");
  try {
    const { isIntact, text } = await reportOnExport(path, inline);
    process.stdout.write(text);
    return isIntact ? EXIT.ok : EXIT.failure;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`The export could not be verified: ${message}\n`);
    return EXIT.failure;
  }
}

// "--name value" and "--name=value"; what a flag means is for the settings to say.
function readFlags(args: readonly string[]): ReadonlyMap<string, string> | undefined {
  const flags = new Map<string, string>();
  for (let index = 0; index < args.length; index++) {
    const [, name, inline] = /^--([a-z][a-z-]*)(?:=(.*))?$/s.exec(args[index] ?? "") ?? [];
    const value = inline ?? args[++index];
    if (name === undefined || value === undefined) {
      process.stderr.write(HELP);
      return undefined;
    }
    flags.set(name, value);
  }
  return flags;
}

function refuse(title: string, findings: readonly Finding[], code: number): number {
  process.stderr.write(`${title}\n${findings.map((finding) => `  ${formatFinding(finding)}\n`).join("")}`);
  return code;
}

function greeting(url: string, auth: string): string {
  const token = auth === "jwt" ? ' -H "authorization: Bearer $TOKEN"' : "";
  // Whoever starts the hub by npm has a checkout; else the command is installed.
  const command = processEnv.npm_lifecycle_event ? "npm run -s central-hub --" : "central-hub";
  return `Central Hub serves at ${url}

Try:
  curl${token} "${url}/api/config/messaging/kafka/topics?domain=user_domain"
  curl${token} -H "content-type: application/json" -d '{"domain":"market_data"}' ${url}/centralhub.config.v1.ConfigService/GetNatsSubjects
  ${command} get topics --domain user_domain --url ${url}
`;
}

// Resolves on the first signal; a second one ends the process at once.
async function stopSignal(): Promise<void> {
  await new Promise<void>((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) process.exit(EXIT.failure);
      asked = true;
      resolve();
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}

process.exitCode = await main(process.argv.slice(2));
