import type { ConfigHeader } from "../../gen/centralhub/config/v1/config_pb.ts";
import { readArguments, type Surroundings, UsageError } from "./command.ts";
import { readTarget, TARGET_FLAGS } from "./connection.ts";
import { GET_HELP } from "./help.ts";
import { KINDS, type Kind } from "./kinds.ts";
import { readOutput, show } from "./output.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  domain: { type: "string" },
  system: { type: "string" },
  version: { type: "string" },
  service: { type: "string" },
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** `get`: shows what a running hub serves. The data goes to `out`; which state of it that is goes to `err`. */
export async function get(args: readonly string[], { env, out, err }: Surroundings): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(GET_HELP);
  const [name = "", ...more] = positionals;
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (!kind) {
    const known = Object.keys(KINDS).join(", ");
    throw new UsageError(name ? `get: "${name}" is not one of: ${known}` : `get: name one of: ${known}`);
  }
  if (more.length > 0) throw new UsageError(`get ${name}: "${more[0]}" is one word too many`);
  checkSelectors(name, kind, values);
  const output = readOutput(values.output);
  const target = readTarget(values, env);

  const { domain = "", system = "", version = "", service = "" } = values;
  const answer = await kind.fetch(target, { domain, system, version, service });
  err(headerLine(answer.header));
  show(out, output, answer.data, answer.table);
}

function checkSelectors(
  name: string,
  kind: Kind,
  values: { readonly domain?: string | undefined; readonly system?: string | undefined },
): void {
  for (const flag of ["domain", "system"] as const) {
    const value = values[flag];
    if (value !== undefined && kind.selector !== flag) {
      const takers = Object.keys(KINDS).filter((other) => KINDS[other]?.selector === flag);
      throw new UsageError(`get ${name} takes no --${flag}; it goes with ${takers.join(", ")}`);
    }
    if (kind.selector !== flag || !kind.choices) continue;
    if (value === undefined || !kind.choices.includes(value)) {
      throw new UsageError(`get ${name} needs --${flag}, one of: ${kind.choices.join(", ")}`);
    }
  }
}

function headerLine(header: ConfigHeader | undefined): string {
  if (!header) return "";
  return `version ${header.version}, revision ${header.revision}, etag ${header.etag}\n`;
}
