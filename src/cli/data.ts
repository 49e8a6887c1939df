import { UserDataService } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { readArguments, type Surroundings, UsageError } from "./command.ts";
import { ask, readTarget, TARGET_FLAGS } from "./connection.ts";
import { eraseUser } from "./data-erase.ts";
import { exportUser } from "./data-export.ts";
import { DATA_HELP } from "./data-help.ts";
import { showOutbox } from "./data-outbox.ts";
import { showRetention } from "./data-retention.ts";
import { readOutput } from "./output.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  out: { type: "string" },
  reason: { type: "string" },
  "dry-run": { type: "boolean" },
  yes: { type: "boolean" },
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

const ERASE_TIMEOUT_SECONDS = 60;

/** `data`: what concerns all of one user's data, and how long data is kept. */
export async function data(args: readonly string[], surroundings: Surroundings): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  const { env, out } = surroundings;
  if (values.help) return out(DATA_HELP);
  const [what, ...words] = positionals;
  switch (what) {
    case "export": {
      const [userId, ...more] = words;
      if (!userId || more.length > 0) throw new UsageError("data export: name one user");
      if (values.out === undefined) throw new UsageError("data export: --out names the file to write");
      return await exportUser(readTarget(values, env), userId, values.out, surroundings);
    }
    case "erase": {
      const [userId, ...more] = words;
      if (!userId || more.length > 0) throw new UsageError("data erase: name one user");
      const { reason, "dry-run": dryRun = false, yes = false } = values;
      const target = readTarget(values, env, ERASE_TIMEOUT_SECONDS);
      return await eraseUser(target, userId, { reason, dryRun, yes }, surroundings);
    }
    case "key": {
      if (words.length > 0) throw new UsageError(`data key: "${words[0]}" is one word too many`);
      const { jwks } = await ask(readTarget(values, env), UserDataService, (hub) => hub.getHistoryKeys({}));
      return out(`${JSON.stringify(JSON.parse(jwks), undefined, 2)}\n`);
    }
    case "retention":
      return await showRetention(readTarget(values, env), words, readOutput(values.output), out);
    case "outbox":
      if (words.length > 0) throw new UsageError(`data outbox: "${words[0]}" is one word too many`);
      return await showOutbox(readTarget(values, env), readOutput(values.output), out);
    default:
      throw new UsageError("data: name one of: export, erase, verify, key, retention, outbox");
  }
}
