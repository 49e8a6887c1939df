import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { Revision } from "../../gen/centralhub/config/v1/release_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { CommandFailed, printable, readRevision, UsageError } from "./command.ts";
import { ask, networkReason, type Target } from "./connection.ts";

/** What --expected-revision says; undefined for "current": whichever is the newest. */
export function readExpected(text: string): bigint | undefined {
  return text === "current" ? undefined : readRevision(text, '--expected-revision takes "current", or it');
}

/** The newest revision, without its documents. */
export async function newestRevision(target: Target): Promise<Revision> {
  // The only call that tells it to whoever may read, and tells little else: no service bears this name.
  const { revision } = await ask(target, ReleaseService, (hub) => hub.getRollout({ service: "-" }));
  if (!revision) throw new CommandFailed(`${target.url} does not say which revision is the newest`);
  return revision;
}

/** Asks for a change. Throws CommandFailed, which says what to do, and whether the change may have come about. */
export async function askForChange<Answer>(
  target: Target,
  expected: bigint,
  question: (client: Client<typeof ReleaseService>) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await ask(target, ReleaseService, question);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const refusal = ConnectError.from(error.cause);
    const newest = newestOf(refusal);
    if (newest !== undefined) {
      throw new CommandFailed(
        `revision ${expected} is not the newest, which is ${newest}: "central-hub diff ${expected} ${newest}" shows ` +
          `what came between; then try again with --expected-revision ${newest} (ABORTED)`,
        { cause: error.cause },
      );
    }
    if (!isOpen(refusal)) throw error;
    const doubt = 'the change may have come about all the same; "central-hub history" tells';
    throw new CommandFailed(`${error.message}; ${doubt}`, { cause: error.cause });
  }
}

/** Throws a UsageError when a flag that a command cannot do without is missing. */
export function need(command: string, flag: string, value: string | undefined, what: string): string {
  if (value === undefined) throw new UsageError(`${command} needs --${flag}: ${what}`);
  return value;
}

// The newest revision as a conflict names it; undefined for every other refusal.
function newestOf(refusal: ConnectError): string | undefined {
  for (const { reason, metadata } of refusal.findDetails(ErrorInfoSchema)) {
    if (reason === "REVISION_CONFLICT") return printable(metadata.newest ?? "?");
  }
  return undefined;
}

// Whether nobody has said what came of the call: it was sent, and the answer got lost.
function isOpen(refusal: ConnectError): boolean {
  const network = networkReason(refusal);
  if (network !== undefined) return /^(ECONNRESET|EPIPE|ERR_STREAM_|ERR_HTTP)/.test(network);
  return refusal.code === Code.DeadlineExceeded || refusal.code === Code.Canceled;
}
