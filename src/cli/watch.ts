import { stringify } from "yaml";
import {
  MessagingSnapshotSchema,
  type WatchMessagingConfigResponse,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { type Json, renderMessage } from "../documents/render.ts";
import {
  printable,
  readArguments,
  readNumber,
  readRevision,
  type Surroundings,
  UsageError,
} from "./command.ts";
import { readTarget, TARGET_FLAGS, type Target } from "./connection.ts";
import { follow, type Point } from "./follow.ts";
import { type Output, readOutput } from "./output.ts";
import { WATCH_HELP } from "./release-help.ts";
import { wholeJson } from "./release-views.ts";
import { newestRevision } from "./releases.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  system: { type: "string", multiple: true },
  service: { type: "string" },
  instance: { type: "string" },
  version: { type: "string" },
  resume: { type: "string" },
  "from-revision": { type: "string" },
  count: { type: "string" },
  once: { type: "boolean" },
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

// Three of the bookmarks that the hub promises every 15 seconds.
const SILENCE_SECONDS = 45;

/** `watch`: prints each state of the documents as it comes, until it is stopped. */
export async function watch(
  args: readonly string[],
  { env, out, err, untilStopped }: Surroundings,
): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(WATCH_HELP);
  if (positionals.length > 0) throw new UsageError(`watch: "${positionals[0]}" is one word too many`);
  const { service = "", instance = "", version = "" } = values;
  if (instance && !service) throw new UsageError("watch: --instance goes with --service");
  const count =
    values.count === undefined
      ? Number.POSITIVE_INFINITY
      : readNumber("count", values.count, { min: 1, max: 1_000_000_000, whole: true });
  const output = readOutput(values.output);
  const target = readTarget(values, env, SILENCE_SECONDS);
  const resume = await readPoint(target, values.resume, values["from-revision"]);

  const following = { systems: values.system ?? [], service, instance, version, resume };
  const say = (text: string): void => err(`${text}\n`);
  const manner = { once: values.once ?? false, signal: untilStopped(), say };
  let seen = 0;
  let last: Point | undefined;
  for await (const message of follow(target, following, manner)) {
    out(eventText(message, output));
    if (message.header) last = message.header;
    if (++seen >= count) break;
  }
  if (last) say(`to go on from here: --resume ${last.epoch}:${last.revision}`);
}

async function readPoint(
  target: Target,
  resume: string | undefined,
  fromRevision: string | undefined,
): Promise<Point | undefined> {
  if (resume !== undefined && fromRevision !== undefined) {
    throw new UsageError("watch takes one of --resume and --from-revision");
  }
  if (resume !== undefined) {
    const [, epoch = "", revision = ""] = /^(.+):(\d+)$/.exec(resume) ?? [];
    if (epoch === "") throw new UsageError("--resume takes EPOCH:REVISION, as watch prints it at its end");
    return { epoch, revision: readRevision(revision, "--resume") };
  }
  if (fromRevision === undefined) return undefined;
  const revision = readRevision(fromRevision, "--from-revision");
  return { epoch: (await newestRevision(target)).epoch, revision };
}

function eventText({ header, nonce, event }: WatchMessagingConfigResponse, output: Output): string {
  const documents =
    event.case === "snapshot" ? renderMessage(MessagingSnapshotSchema, event.value) : undefined;
  const { epoch = "", revision = 0n, version = "", etag = "" } = header ?? {};
  if (output === "table") {
    const systems = documents === undefined ? "" : `, ${Object.keys(documents ?? {}).join(" ")}`;
    return `${event.case} revision ${revision}, version ${printable(version)}, etag ${printable(etag)}${systems}\n`;
  }
  const data: Json = {
    event: event.case ?? "",
    epoch,
    revision: wholeJson(revision),
    version,
    etag,
    ...(documents === undefined ? {} : { nonce, documents }),
  };
  return output === "json" ? `${JSON.stringify(data)}\n` : `---\n${stringify(data, { lineWidth: 0 })}`;
}
