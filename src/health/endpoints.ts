import { HubError } from "../errors.ts";

/** One server of a component. An IPv6 host stands without brackets. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What one server answered, or why it did not. */
export type Answer<Value> =
  | { readonly endpoint: Endpoint; readonly value: Value }
  | { readonly endpoint: Endpoint; readonly error: unknown };

/** Share of a look's time after which servers that have not answered yet are gone without, when there are others. */
const PATIENCE = 0.6;

/** Reads "host:port,host:port". Throws NOT_CONFIGURED, with the remedy, for what is no address. */
export function readEndpoints(text: string, defaultPort: number | undefined): readonly Endpoint[] {
  return text.split(",").map((each) => {
    const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]/@]+))(?::(\d{1,5}))?$/.exec(each.trim());
    const port = Number(parts?.[3] ?? defaultPort ?? 0);
    const host = parts?.[1] ?? parts?.[2];
    if (host && port >= 1 && port <= 65_535) return { host, port };
    throw new HubError(
      "NOT_CONFIGURED",
      'the address is none; write "host:port", several with commas between',
    );
  });
}

/** "host:port", with an IPv6 host in brackets. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Asks all servers at once. One that keeps its silence does not take the whole time of the look where there are others,
 * which is so unless `isAlone`. `timeoutMs` is the time of the look, which ends by `signal`.
 */
export async function askAll<Value>(
  endpoints: readonly Endpoint[],
  ask: (endpoint: Endpoint, signal: AbortSignal) => Promise<Value>,
  signal: AbortSignal,
  timeoutMs: number,
  isAlone = endpoints.length === 1,
): Promise<readonly Answer<Value>[]> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  signal.addEventListener("abort", end);
  const timer = isAlone ? undefined : setTimeout(end, timeoutMs * PATIENCE);
  try {
    return await Promise.all(
      endpoints.map(async (endpoint): Promise<Answer<Value>> => {
        try {
          return { endpoint, value: await ask(endpoint, ended.signal) };
        } catch (error) {
          return { endpoint, error };
        }
      }),
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
