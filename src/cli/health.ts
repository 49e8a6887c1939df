import { HealthStatus } from "../../gen/centralhub/health/v1/health_pb.ts";
import { HealthService } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { readArguments, type Surroundings, UsageError } from "./command.ts";
import { ask, readTarget, TARGET_FLAGS, type Target } from "./connection.ts";
import { HEALTH_HELP } from "./health-help.ts";
import {
  type HealthReport,
  reportOnGroups,
  reportOnInfrastructure,
  reportOnStreams,
  reportOnTopics,
} from "./health-views.ts";
import { watchHealth } from "./health-watch.ts";
import { readOutput, show } from "./output.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  version: { type: "string" },
  watch: { type: "boolean" },
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

// Three of the signs of life that the hub promises every 15 seconds.
const SILENCE_SECONDS = 45;

/** What can be looked at. */
const SUBJECTS: Readonly<Record<string, (target: Target, version: string) => Promise<HealthReport>>> = {
  infrastructure: async (target) =>
    reportOnInfrastructure(await ask(target, HealthService, (hub) => hub.checkInfrastructure({}))),
  topics: async (target, version) =>
    reportOnTopics(await ask(target, HealthService, (hub) => hub.checkKafkaTopics({ version }))),
  streams: async (target, version) =>
    reportOnStreams(await ask(target, HealthService, (hub) => hub.checkNatsStreams({ version }))),
  groups: async (target, version) =>
    reportOnGroups(await ask(target, HealthService, (hub) => hub.checkConsumerGroups({ version }))),
};

/** `health [WHAT]`: shows how things are; returns 0 healthy, 1 error, 3 degraded. */
export async function health(
  args: readonly string[],
  { env, out, err, untilStopped }: Surroundings,
): Promise<number> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) {
    out(HEALTH_HELP);
    return 0;
  }
  const [subject, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`health: "${more[0]}" is one word too many`);
  const name = subject ?? "infrastructure";
  const look = Object.hasOwn(SUBJECTS, name) ? SUBJECTS[name] : undefined;
  if (!look) throw new UsageError(`health: "${name}" is not one of: ${Object.keys(SUBJECTS).join(", ")}`);
  const { version = "", watch = false } = values;
  if (version && name === "infrastructure" && (subject || !watch)) {
    throw new UsageError("health infrastructure takes no --version; it is the same for all of them");
  }
  const output = readOutput(values.output);
  if (watch) {
    const target = readTarget(values, env, SILENCE_SECONDS);
    const manner = { once: false, signal: untilStopped(), say: (text: string) => err(`${text}\n`) };
    await watchHealth(target, { subject, version }, output, manner, out);
    return 0;
  }
  const { status, data, text } = await look(readTarget(values, env), version);
  show(out, output, data, text);
  return exitCode(status);
}

function exitCode(status: HealthStatus): number {
  if (status === HealthStatus.HEALTHY) return 0;
  return status === HealthStatus.DEGRADED ? 3 : 1;
}
