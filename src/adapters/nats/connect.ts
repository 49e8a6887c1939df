import type { ConnectionOptions } from "nats";

/** Where NATS servers are, as one URL says it: `nats://user:pass@host:4222,other:4222/name?key=value`. */
export interface NatsAddress {
  /** `host:port` each. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  /** What stands before the `@` when it holds no colon. */
  readonly token?: string;
  /** Whether the scheme is `tls`, so that a server without it is refused. */
  readonly tls: boolean;
  /** What stands after the servers, without its slash; empty when nothing does. */
  readonly path: string;
  readonly query: URLSearchParams;
}

const DEFAULT_PORT = 4222;
const FORM = "nats://[user:password@]host[:port][,host[:port]…][/name]";

/**
 * Reads the URL of NATS servers. Throws Error for what is not one; its message never holds the URL, for a secret
 * may be in it. The nats client ignores credentials inside a URL, which is why they are taken out here.
 */
export function parseNatsUrl(url: string): NatsAddress {
  const parts = /^(nats|tls):\/\/(?:([^/?]*)@)?([^/?@]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url.trim());
  if (!parts) throw new Error(`not the URL of a NATS server; write it as ${FORM}`);
  const [, scheme, credentials, hosts = "", path = "", query = ""] = parts;
  return {
    servers: hosts.split(",").map(hostAndPort),
    ...(credentials === undefined ? {} : parseCredentials(credentials)),
    tls: scheme === "tls",
    path: decoded(path),
    query: new URLSearchParams(query),
  };
}

/**
 * Reads the address of a component: a URL, or "host:port", several of either with commas between; of several URLs the
 * first tells the credentials. Throws Error, whose message never holds the address.
 */
export function parseNatsTarget(address: string): NatsAddress {
  const url = address.trim().replaceAll(/,\s*(nats|tls):\/\/([^@,/]*@)?/g, ",");
  return parseNatsUrl(/^\w+:\/\//.test(url) ? url : `nats://${url}`);
}

/** What to connect with: never gives up, and notices within seconds that a server is hung. */
export function natsOptions(address: NatsAddress, name: string): ConnectionOptions {
  const { servers, user, pass, token, tls } = address;
  return {
    name,
    servers: [...servers],
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(token === undefined ? {} : { token }),
    ...(tls ? { tls: {} } : {}),
    // By default the client gives up for good after ten tries, or after two refusals of its credentials.
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 250,
    reconnectJitter: 100,
    reconnectJitterTLS: 250,
    // How long a server may take to greet, and how soon a silent one is left for another.
    timeout: 3_000,
    pingInterval: 2_000,
    maxPingOut: 2,
  };
}

function hostAndPort(text: string): string {
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^:\s[\]]+)(?::(\d{1,5}))?$/.exec(text.trim());
  const port = Number(parts?.[2] ?? DEFAULT_PORT);
  if (!parts || port < 1 || port > 65_535) {
    throw new Error(`"${text}" is not the host and port of a NATS server; write them as ${FORM}`);
  }
  return `${parts[1]}:${port}`;
}

function parseCredentials(text: string): { user: string; pass: string } | { token: string } {
  const colon = text.indexOf(":");
  if (colon < 0) return { token: decoded(text) };
  return { user: decoded(text.slice(0, colon)), pass: decoded(text.slice(colon + 1)) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(
      "the URL of a NATS server holds a % that is not followed by two hex digits; write it as %25",
    );
  }
}
