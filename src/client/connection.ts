import * as http from "node:http";
import * as https from "node:https";
import type { SecureContextOptions } from "node:tls";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { Sessions } from "./session.ts";

/** "grpc" over HTTP/2, or "connect" over HTTP/1.1, which passes every proxy. */
export type Protocol = "grpc" | "connect";

/** Certificates for a hub that does not have one of a well-known authority, or that asks for the client's own. */
export type TlsOptions = Pick<SecureContextOptions, "ca" | "cert" | "key">;

/** A token, or what gets a fresh one; asked again when the hub does not take the one that it gave. */
export type Token = string | (() => string | Promise<string>);

/** How to reach a hub. */
export interface Address {
  readonly url: string;
  readonly protocol: Protocol;
  readonly tls: TlsOptions;
}

/** A connection of its own to a hub. Nothing of it outlives `close`. */
export interface Connection {
  readonly client: Client<typeof ConfigService>;
  close(): void;
}

/** Opens a connection; the network is not touched before the first call. */
export function connect({ url, protocol, tls }: Address, tokens: TokenSource): Connection {
  const common = { baseUrl: url, interceptors: [bearer(tokens)] };
  if (protocol === "grpc") {
    const sessionManager = new Sessions(url, tls);
    const transport = createGrpcTransport({ ...common, sessionManager });
    return { client: createClient(ConfigService, transport), close: () => sessionManager.close() };
  }
  const Agent = url.startsWith("https:") ? https.Agent : http.Agent;
  const agent = new Agent({ keepAlive: true, ...tls });
  const transport = createConnectTransport({ ...common, httpVersion: "1.1", nodeOptions: { agent } });
  return { client: createClient(ConfigService, transport), close: () => agent.destroy() };
}

/** Gives the token, and remembers it until it is known to be no good. */
export class TokenSource {
  readonly #token: Token | undefined;
  #known: Promise<string> | undefined;

  constructor(token: Token | undefined) {
    this.#token = token;
  }

  /** The token; undefined when there is none to show. */
  async get(signal: AbortSignal): Promise<string | undefined> {
    const token = this.#token;
    if (typeof token !== "function") return token;
    const known = this.#known ?? (async () => token())();
    this.#known = known;
    try {
      return await unlessAborted(known, signal);
    } catch (error) {
      if (this.#known === known) this.#known = undefined;
      throw error;
    }
  }

  /** The hub did not take the token. Whether there may be a better one. */
  refuse(): boolean {
    this.#known = undefined;
    return typeof this.#token === "function";
  }
}

function bearer(tokens: TokenSource): Interceptor {
  return (next) => async (request) => {
    const token = await tokens.get(request.signal);
    if (token) request.header.set("authorization", `Bearer ${token}`);
    return await next(request);
  };
}

async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  signal.throwIfAborted();
  let stop = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
