import type { DescService } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { CommandFailed, printable, UsageError } from "./command.ts";

/** A hub to talk to. */
export interface Target {
  readonly url: string;
  readonly token: string | undefined;
  readonly timeoutSeconds: number;
}

/** The flags that say which hub to talk to, and how. */
export const TARGET_FLAGS = {
  url: { type: "string" },
  token: { type: "string" },
  timeout: { type: "string" },
} as const;

const DEFAULT_URL = "http://127.0.0.1:7000";
// Longer than the hub's own deadline, so that the hub's reason is what people read.
const DEFAULT_TIMEOUT_SECONDS = 15;
const TIMEOUT_SECONDS_MAX = 3600;

/** The hub that flags and environment name. Throws a UsageError, which never shows the token. */
export function readTarget(
  flags: { readonly [Name in keyof typeof TARGET_FLAGS]?: string | undefined },
  env: Readonly<Record<string, string | undefined>>,
  defaultTimeoutSeconds = DEFAULT_TIMEOUT_SECONDS,
): Target {
  const url = flags.url ?? (env.CENTRAL_HUB_URL || DEFAULT_URL);
  const source = flags.url === undefined ? "CENTRAL_HUB_URL" : "--url";
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // A password in the URL would end up in messages.
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.password) {
    throw new UsageError(`${source} is not the address of a hub; write it like ${DEFAULT_URL}`);
  }
  const token = (flags.token ?? env.CENTRAL_HUB_TOKEN)?.trim() || undefined;
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new UsageError('the token holds characters that no token has; give what stands after "Bearer "');
  }
  const timeoutSeconds = flags.timeout === undefined ? defaultTimeoutSeconds : Number(flags.timeout);
  if (!(timeoutSeconds > 0 && timeoutSeconds <= TIMEOUT_SECONDS_MAX)) {
    throw new UsageError(`--timeout takes seconds, more than 0 and at most ${TIMEOUT_SECONDS_MAX}`);
  }
  return { url: parsed.origin + parsed.pathname.replace(/\/+$/, ""), token, timeoutSeconds };
}

/** Asks a hub. Throws CommandFailed with what the hub said, or with why it said nothing. */
export async function ask<Service extends DescService, Answer>(
  target: Target,
  service: Service,
  question: (client: Client<Service>) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await question(connect(target, service, target.timeoutSeconds));
  } catch (error) {
    throw new CommandFailed(explain(ConnectError.from(error), target), { cause: error });
  }
}

/** A client of a hub. Without a number of seconds a call may take as long as it likes, as streams do. */
export function connect<Service extends DescService>(
  { url, token }: Target,
  service: Service,
  timeoutSeconds?: number,
): Client<Service> {
  // HTTP/1.1 gets through every proxy.
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    ...(timeoutSeconds === undefined ? {} : { defaultTimeoutMs: Math.ceil(timeoutSeconds * 1000) }),
    interceptors: token === undefined ? [] : [bearer(token)],
  });
  return createClient(service, transport);
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

/** Why a call failed, for people. */
export function explain(error: ConnectError, { url, timeoutSeconds }: Target): string {
  const code = (Code[error.code] ?? "Unknown").replace(/(?<=.)[A-Z]/g, "_$&").toUpperCase();
  const said = printable(error.rawMessage);
  const network = networkReason(error);
  if (network === "ECONNRESET" || network === "EPIPE") {
    return `the connection to ${url} broke off: ${network} (${code})`;
  }
  if (network !== undefined) {
    return `no hub at ${url}: ${network}; name its address with --url or CENTRAL_HUB_URL (${code})`;
  }
  if (error.code === Code.DeadlineExceeded) {
    return `no answer from ${url} within ${timeoutSeconds} s; --timeout gives it more (${code}: ${said})`;
  }
  // What Connect makes of an answer that no Connect server gives.
  if (/^HTTP \d+$|^unsupported content type/i.test(said)) {
    return `what answers at ${url} is not a hub: ${said}; name its address with --url or CENTRAL_HUB_URL (${code})`;
  }
  if (error.code === Code.Unauthenticated) {
    return `${said}; --token or CENTRAL_HUB_TOKEN sets the token (${code})`;
  }
  return `${said} (${code})`;
}

/** Node's name for what went wrong below HTTP, such as ECONNREFUSED; undefined when a server answered. */
export function networkReason(error: unknown): string | undefined {
  for (let link = error; link instanceof Error; link = link.cause) {
    if ("code" in link && typeof link.code === "string") return link.code;
  }
  return undefined;
}
