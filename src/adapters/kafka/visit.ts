import { apiVersionsV3, Connection, GenericError } from "@platformatic/kafka";
import { type Endpoint, formatEndpoint } from "../../health/endpoints.ts";
import type { Reading } from "../../health/probe.ts";
import { failure, unknown, wrong } from "../../health/reading.ts";
import { type KafkaAccess, kafkaOptions } from "./connect.ts";

const CLIENT_NAME = "central-hub-probe";

/** The broker let the connection in, spoke, and then closed it: as it does with who should have named himself. */
class ClosedAfterGreeting extends Error {
  override readonly name = "ClosedAfterGreeting";
}

/**
 * Opens a connection of its own to one broker, and uses it. Ends by the signal, and keeps no socket. `use` gets a
 * connection that speaks Kafka.
 */
export async function visit<Value>(
  access: KafkaAccess,
  endpoint: Endpoint,
  signal: AbortSignal,
  timeoutMs: number,
  use: (connection: Connection) => Promise<Value>,
): Promise<Value> {
  const connection = new Connection(CLIENT_NAME, kafkaOptions(access, timeoutMs));
  // One that fails twice, as with refused credentials, would end the process.
  connection.on("error", () => {});
  const { promise: late, reject } = Promise.withResolvers<never>();
  late.catch(() => {});
  const giveUp = (): void => {
    reject(
      new Error(
        connection.socket?.connecting
          ? "no connection in time"
          : "it accepts connections and does not answer",
      ),
    );
  };
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  let hasGreeted = false;
  const converse = async (): Promise<Value> => {
    await connection.connect(endpoint.host, endpoint.port);
    await apiVersionsV3.api.async(connection, CLIENT_NAME, "1");
    hasGreeted = true;
    return await use(connection);
  };
  try {
    return await Promise.race([converse(), late]);
  } catch (error) {
    const isClosed = error instanceof GenericError && /^Connection closed/.test(error.message);
    if (isClosed && hasGreeted && !access.sasl) throw new ClosedAfterGreeting("the connection was closed");
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
    connection.socket?.destroy();
    // Whoever waits for it to be ready waits no longer, and neither does its timer.
    connection.emit("close");
  }
}

/** What a failed visit tells of a broker. */
export function visitFailure(error: unknown, endpoint: Endpoint): Reading {
  const where = formatEndpoint(endpoint);
  if (error instanceof ClosedAfterGreeting) {
    return unknown(
      `${where} closes the connection; does it ask for a user? Set KAFKA_SASL_MECHANISM and what goes with it`,
    );
  }
  const chain = [...causes(error)];
  const code = chain.map(({ code }) => code).find((each) => each === "PLT_KFK_AUTHENTICATION");
  if (code) {
    const isRefused = chain.some(({ apiId }) => apiId === "SASL_AUTHENTICATION_FAILED");
    return unknown(
      `${where} ${isRefused ? "refuses the user or the password" : "does not take this SASL mechanism"}`,
    );
  }
  if (chain.some(({ message }) => message === "Broker requires TLS.")) {
    return unknown(`${where} speaks TLS; set KAFKA_TLS to true`);
  }
  if (
    chain.some(({ message }) =>
      /TLS handshake failed|wrong version number|packet length too long/i.test(message),
    )
  ) {
    return unknown(`${where} speaks no TLS; set KAFKA_TLS to false`);
  }
  const refused = chain.find(({ apiId }) => apiId);
  return refused ? wrong(`${where}: ${refused.message}`) : failure(error, where);
}

interface Cause {
  readonly message: string;
  readonly code?: unknown;
  /** Kafka's name of the error. */
  readonly apiId?: unknown;
}

/** An error and all that led to it. */
export function* causes(error: unknown): Generator<Cause> {
  if (!(error instanceof Error)) return;
  yield error;
  if (error instanceof AggregateError) for (const each of error.errors) yield* causes(each);
  yield* causes(error.cause);
}

/** Whether Kafka's answer was an error of one of these names. */
export function isKafkaError(error: unknown, ...ids: readonly string[]): boolean {
  return [...causes(error)].some(({ apiId }) => ids.includes(String(apiId)));
}
