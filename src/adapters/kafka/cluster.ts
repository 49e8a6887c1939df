import {
  type Admin,
  apiVersionsV3,
  type Connection,
  MultipleErrors,
  metadataV12,
  protocolErrorsCodesById,
} from "@platformatic/kafka";
import { HubError } from "../../errors.ts";
import { discard, type KafkaAccess, openAdmin } from "./connect.ts";

/** A broker by its address. */
type Address = { readonly host: string; readonly port: number };

/** Time that a broker has to say where the cluster is, in milliseconds. */
const FIRST_ANSWER_MS = 2_500;
/** Time after which the others are asked too, in milliseconds. */
const HEAD_START_MS = 500;

/** One kind of request, in one version of its form. */
interface Api<Arguments extends unknown[], Response> {
  readonly key: number;
  readonly version: number;
  async(connection: Connection, ...args: Arguments): Promise<Response>;
}

/**
 * The brokers of a cluster, spoken to request by request: what a client for administration does with one call may be a
 * request for each topic. Connections are kept until it is closed; then it stays closed, also for what is under way.
 */
export class KafkaCluster {
  readonly #brokers: readonly Address[];
  readonly #admin: Admin;
  #nodes = new Map<number, Address>();
  #bootstrap: Address | undefined;
  #requests = 0;

  /** `timeoutMs` is what a connection, and what one answer, may take. */
  constructor(access: KafkaAccess, timeoutMs: number) {
    this.#brokers = access.brokers;
    this.#admin = openAdmin(access, timeoutMs);
  }

  /** Number of requests that were sent so far. */
  get requests(): number {
    return this.#requests;
  }

  /**
   * The cluster with all topics that may be seen, or with those named, from the first broker that answers: the one that
   * answered before, and all others together when it fails or is slow. So brokers that hang take no more time than one.
   */
  async metadata(topics: readonly string[] | null): Promise<metadataV12.MetadataResponse> {
    const ask = async (broker: Address) => {
      const asked = this.#send(broker, metadataV12.api, topics && [...topics], false, false);
      return { broker, response: await within(FIRST_ANSWER_MS, broker, asked) };
    };
    const known = this.#bootstrap;
    const begun = known ? [ask(known)] : [];
    try {
      const { broker, response } =
        (known && (await within(HEAD_START_MS, known, Promise.any(begun)).catch(() => undefined))) ??
        (await Promise.any([...begun, ...this.#brokers.filter((each) => each !== known).map(ask)]));
      this.#bootstrap = broker;
      this.#nodes = new Map(response.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
      return response;
    } catch (error) {
      const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
      const reasons = [...new Set(errors.map(reasonOf))].join("; ");
      throw new HubError("BROKER_UNAVAILABLE", reasons, { cause: errors[0] });
    }
  }

  /** Asks one broker. What it refuses a part of comes back whole, with the parts' error codes. */
  async ask<Arguments extends unknown[], Response>(
    node: number,
    api: Api<Arguments, Response>,
    ...args: Arguments
  ): Promise<Response> {
    return await this.#send(this.#addressOf(node), api, ...args);
  }

  /** The newest version of a kind of request that a broker takes; undefined when it takes none. */
  async newestVersion(node: number, api: { readonly key: number }): Promise<number | undefined> {
    const { apiKeys } = await this.#send(this.#addressOf(node), apiVersionsV3.api, "central-hub", "1");
    return apiKeys.find(({ apiKey }) => apiKey === api.key)?.maxVersion;
  }

  /** Ends every connection at once, also with brokers that have stopped to answer. */
  async close(): Promise<void> {
    await discard(this.#admin);
  }

  #addressOf(node: number): Address {
    const address = this.#nodes.get(node);
    if (!address) throw new HubError("BROKER_UNAVAILABLE", `the broker ${node} is not in the cluster`);
    return address;
  }

  async #send<Arguments extends unknown[], Response>(
    address: Address,
    api: Api<Arguments, Response>,
    ...args: Arguments
  ): Promise<Response> {
    const connection = await this.#admin.connections.get(address);
    this.#requests++;
    try {
      return await api.async(connection, ...args);
    } catch (error) {
      if (error instanceof MultipleErrors && error.response) return error.response as Response;
      throw error;
    }
  }
}

async function within<Value>(timeMs: number, { host, port }: Address, asked: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const reason = `${host}:${port} does not answer within ${timeMs} ms`;
  const timer = setTimeout(() => late.reject(new HubError("BROKER_UNAVAILABLE", reason)), timeMs);
  asked.catch(() => {});
  try {
    return await Promise.race([asked, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Why a request failed, for people and without any secret: the innermost cause, because the outer ones say only where. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors[0]) return reasonOf(error.errors[0]);
  return error.cause instanceof Error ? `${error.message} ${reasonOf(error.cause)}` : error.message;
}

/** What an error code of a broker means: the name that Kafka's own tools print. */
export function refusal(code: number, message: string | null = null): string {
  const name = protocolErrorsCodesById[code] ?? `error ${code}`;
  return message ? `${name}: ${message}` : name;
}
