import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { Admin, type Base, type BaseOptions } from "@platformatic/kafka";
import { HubError } from "../../errors.ts";
import { type Endpoint, readEndpoints } from "../../health/endpoints.ts";
import type { Settings } from "../../settings/settings.ts";

/** Where Kafka is, and how to be let in. */
export interface KafkaAccess {
  /** Where to begin; the brokers name the others. An IPv6 host stands without brackets. */
  readonly brokers: readonly Endpoint[];
  readonly sasl?: {
    readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
    readonly username: string;
    readonly password: string;
  };
  /** Present: TLS. `ca` in PEM; without it those that Node trusts. */
  readonly tls?: { readonly ca?: string };
}

/** The settings that say how to be let in. */
export type KafkaSettings = Pick<
  Settings,
  "kafkaSaslMechanism" | "kafkaSaslUsername" | "kafkaSaslPassword" | "kafkaTls" | "kafkaTlsCa"
>;

const DEFAULT_PORT = 9092;
const CLIENT_ID = "central-hub";

/** Reads addresses, "host:port,host:port", and settings. Throws NOT_CONFIGURED, with the remedy, for what is no address. */
export async function kafkaAccess(address: string, settings: KafkaSettings): Promise<KafkaAccess> {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaTls, kafkaTlsCa } = settings;
  if (mechanism && !username) {
    throw new HubError("NOT_CONFIGURED", `${mechanism} needs a user; set KAFKA_SASL_USERNAME`);
  }
  return {
    brokers: readEndpoints(address, DEFAULT_PORT),
    ...(mechanism ? { sasl: { mechanism, username, password: settings.kafkaSaslPassword } } : {}),
    ...(kafkaTls ? { tls: kafkaTlsCa ? { ca: await readAuthorities(kafkaTlsCa) } : {} } : {}),
  };
}

/**
 * What to make a client with. It tries nothing twice, for whoever asks decides on that, and waits no longer than
 * `timeoutMs` for a connection or for an answer.
 */
export function kafkaOptions(access: KafkaAccess, timeoutMs: number): BaseOptions {
  const { brokers, sasl, tls } = access;
  return {
    clientId: CLIENT_ID,
    bootstrapBrokers: brokers.map(({ host, port }) => ({ host, port })),
    connectTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    timeout: timeoutMs,
    retries: 0,
    autocreateTopics: false,
    ...(sasl ? { sasl: { ...sasl } } : {}),
    // Proxies tell brokers by the name that a client asks for; an IP address may not be one.
    ...(tls ? { tls: { ...tls }, tlsServerName: brokers.every(({ host }) => isIP(host) === 0) } : {}),
  };
}

/** A client for administration. Whoever opens it closes it, with `discard`. */
export function openAdmin(access: KafkaAccess, timeoutMs: number): Admin {
  const admin = new Admin(kafkaOptions(access, timeoutMs));
  // A connection that fails twice, as one with refused credentials does, would end the process.
  admin.connections.on("connecting", ({ connection }) => connection.on("error", () => {}));
  return admin;
}

/** Ends a client at once, also one whose brokers have stopped to answer: what is under way fails. */
export async function discard(client: Base): Promise<void> {
  for (const [, connection] of client.connections) connection.socket?.destroy();
  await client.close().catch(() => {});
}

async function readAuthorities(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new HubError("NOT_CONFIGURED", `KAFKA_TLS_CA: the file "${file}" cannot be read`, { cause: error });
  }
}
