// Every setting of the hub, once: its place in hub.yaml, its environment name, its default and its limits. The
// command line's flags bear the environment's names: HUB_PORT is --hub-port, and --port for short.

/** Reads one value, from a file or as text; a returned Fault says what it should have been. */
export type Read<Value> = (value: unknown) => Value | Fault;

/** What is wrong with a value. */
export class Fault {
  readonly expected: string;
  constructor(expected: string) {
    this.expected = expected;
  }
}

/** One setting. */
export interface Definition<Value> {
  /** Path in hub.yaml, such as "listen.port". */
  readonly key: string;
  /** Name in the environment. Settings without one live in the file alone. */
  readonly env?: string;
  readonly fallback: Value;
  readonly read: Read<Value>;
}

function text(): Read<string> {
  return (value) => {
    if (typeof value !== "string" || /[\0\r\n]/.test(value)) return new Fault("text on one line");
    return value;
  };
}

function whole(min: number, max: number): Read<number> {
  return (value) => {
    const number = typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
    if (typeof number !== "number" || !Number.isInteger(number) || number < min || number > max) {
      return new Fault(`a whole number from ${min} to ${max}`);
    }
    return number;
  };
}

function flag(): Read<boolean> {
  return (value) => {
    if (value === true || value === "true") return true;
    if (value === false || value === "false") return false;
    return new Fault("true or false");
  };
}

function oneOf<const Value extends string>(...values: Value[]): Read<Value> {
  return (value) => values.find((item) => item === value) ?? new Fault(`one of: ${values.join(", ")}`);
}

function list(check: (item: string) => boolean, expected: string): Read<readonly string[]> {
  return (value) => {
    const items =
      typeof value === "string"
        ? value
            .split(",")
            .map((item) => item.trim())
            .filter(Boolean)
        : value;
    if (!Array.isArray(items) || !items.every((item) => typeof item === "string" && check(item))) {
      return new Fault(expected);
    }
    return Object.freeze(items as string[]);
  };
}

function revisionLog(): Read<string> {
  return (value) => {
    if (value === "file" || (typeof value === "string" && /^(nats|tls):\/\//.test(value))) return value;
    return new Fault('"file", or the URL of a NATS stream such as nats://nats:4222/CENTRAL_HUB_REVISIONS');
  };
}

// Symmetric algorithms are left out on purpose: with them, whoever can check a token can make one.
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

function isOrigin(value: string): boolean {
  return URL.canParse(value) && new URL(value).origin === value;
}

// "from-to URL", and another URL for migrations where the first may not run them.
function isShard(value: string): boolean {
  return /^\d{1,4}-\d{1,4}( +postgres(ql)?:\/\/\S+){1,2}$/.test(value);
}

function outbox(): Read<"auto" | "on" | "off"> {
  return (value) => {
    if (value === "auto") return value;
    if (value === "on" || value === true || value === "true") return "on";
    if (value === "off" || value === false || value === "false") return "off";
    return new Fault("auto, on or off");
  };
}

function position(): Read<string> {
  return (value) => {
    if (value === "now" || value === "beginning") return value;
    if (typeof value === "string" && RFC_3339.test(value) && !Number.isNaN(Date.parse(value))) return value;
    return new Fault('"now", "beginning", or a time such as 2026-01-31T00:00:00Z');
  };
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const MIB = 1024 * 1024;

/** Every setting by its name in the program. Times are in milliseconds, sizes in bytes. */
export const DEFINITIONS = {
  host: define("listen.host", "HUB_HOST", "127.0.0.1", text()),
  port: define("listen.port", "HUB_PORT", 7000, whole(0, 65_535)),
  tlsCert: define("listen.tls.cert", "HUB_TLS_CERT", "", text()),
  tlsKey: define("listen.tls.key", "HUB_TLS_KEY", "", text()),
  corsOrigins: define(
    "listen.cors_origins",
    "HUB_CORS_ORIGINS",
    [],
    list(isOrigin, 'a list of origins such as "https://console.example.com"'),
  ),
  workers: define("workers", "HUB_WORKERS", 1, whole(1, 256)),
  dataDir: define("data_dir", "HUB_DATA_DIR", "./data", text()),
  revisionLog: define("revision_log", "HUB_REVISION_LOG", "file", revisionLog()),
  filesPollIntervalMs: define("files_poll_interval_ms", undefined, 1_000, whole(0, 3_600_000)),
  logLevel: define(
    "log_level",
    "HUB_LOG_LEVEL",
    "info",
    oneOf("trace", "debug", "info", "warn", "error", "silent"),
  ),

  kafkaBrokers: define("brokers.kafka.address", "KAFKA_BROKERS", "", text()),
  kafkaSaslMechanism: define(
    "brokers.kafka.sasl.mechanism",
    "KAFKA_SASL_MECHANISM",
    "",
    oneOf("", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
  ),
  kafkaSaslUsername: define("brokers.kafka.sasl.username", "KAFKA_SASL_USERNAME", "", text()),
  kafkaSaslPassword: define("brokers.kafka.sasl.password", "KAFKA_SASL_PASSWORD", "", text()),
  kafkaTls: define("brokers.kafka.tls", "KAFKA_TLS", false, flag()),
  kafkaTlsCa: define("brokers.kafka.tls_ca", "KAFKA_TLS_CA", "", text()),
  kafkaRoundTripTopic: define("brokers.kafka.round_trip_topic", "KAFKA_ROUND_TRIP_TOPIC", "", text()),
  natsUrl: define("brokers.nats.url", "NATS_URL", "", text()),
  natsMonitorUrl: define("brokers.nats.monitor_url", "NATS_MONITOR_URL", "", text()),
  zookeeperConnect: define("brokers.zookeeper.address", "ZOOKEEPER_CONNECT", "", text()),
  databaseUrl: define("database.url", "DATABASE_URL", "", text()),
  databaseAdminUrl: define("database.admin_url", "DATABASE_ADMIN_URL", "", text()),
  databaseAllowBypass: define("database.allow_bypass", "DATABASE_ALLOW_BYPASS", false, flag()),
  databaseShards: define(
    "database.shards",
    undefined,
    [],
    list(isShard, 'a list such as ["0-511 postgres://hub@a/hub", "512-1023 postgres://hub@b/hub"]'),
  ),
  databaseLanes: define("database.lanes", undefined, 4, whole(1, 64)),
  databaseConnections: define("database.connections", undefined, 8, whole(1, 1_000)),
  databaseSigningKey: define("database.signing_key", "DATABASE_SIGNING_KEY", "", text()),
  databaseTrustedKeys: define("database.trusted_keys", undefined, "", text()),
  databaseOutbox: define("database.outbox", "DATABASE_OUTBOX", "auto", outbox()),
  databaseOutboxFrom: define("database.outbox_from", "DATABASE_OUTBOX_FROM", "now", position()),
  databaseOutboxLagMs: define("database.outbox_lag_ms", undefined, 60_000, whole(1_000, 86_400_000)),
  databaseMonthsAhead: define("database.months_ahead", undefined, 3, whole(2, 24)),
  databaseRetention: define("database.retention", "DATABASE_RETENTION", true, flag()),
  databaseRetentionPeriodMs: define(
    "database.retention_period_ms",
    undefined,
    3_600_000,
    whole(60_000, 86_400_000),
  ),
  queueEvents: define("database.queue_events", undefined, 20_000, whole(1_000, 10_000_000)),
  queueEventsPerUser: define("database.queue_events_per_user", undefined, 2_000, whole(1_000, 1_000_000)),

  auth: define("auth.mode", "HUB_AUTH", "none", oneOf("none", "jwt")),
  authNoneOffLoopback: define("auth.none_off_loopback", "HUB_AUTH_NONE_OFF_LOOPBACK", false, flag()),
  jwtJwks: define("auth.jwt.jwks", "HUB_JWT_JWKS", "", text()),
  jwtIssuer: define("auth.jwt.issuer", "HUB_JWT_ISSUER", "", text()),
  jwtAudience: define("auth.jwt.audience", "HUB_JWT_AUDIENCE", "", text()),
  jwtAlgorithms: define(
    "auth.jwt.algorithms",
    undefined,
    ["RS256", "PS256", "ES256", "EdDSA"],
    list((item) => ALGORITHMS.includes(item), `a list of: ${ALGORITHMS.join(", ")}`),
  ),
  jwtClockToleranceMs: define("auth.jwt.clock_tolerance_ms", undefined, 30_000, whole(0, 60_000)),
  jwtCacheEntries: define("auth.jwt.cache_entries", undefined, 10_000, whole(1, 1_000_000)),
  publicHealth: define("auth.public.health", undefined, true, flag()),
  publicReflection: define("auth.public.reflection", undefined, false, flag()),
  publicMetrics: define("auth.public.metrics", undefined, false, flag()),
  reflection: define("reflection", undefined, true, flag()),

  leanPath: define("lean_path", undefined, true, flag()),

  readMaxBytes: define("limits.read_max_bytes", undefined, MIB, whole(1024, 64 * MIB)),
  writeMaxBytes: define("limits.write_max_bytes", undefined, 64 * MIB, whole(1024, 1024 * MIB)),
  unaryDeadlineMs: define("limits.unary_deadline_ms", undefined, 10_000, whole(100, 600_000)),
  headersTimeoutMs: define("limits.headers_timeout_ms", undefined, 10_000, whole(100, 600_000)),
  bodyTimeoutMs: define("limits.body_timeout_ms", undefined, 10_000, whole(100, 600_000)),
  idleTimeoutMs: define("limits.idle_timeout_ms", undefined, 120_000, whole(1000, 3_600_000)),
  keepAliveIntervalMs: define("limits.keep_alive_interval_ms", undefined, 30_000, whole(1000, 3_600_000)),
  keepAliveTimeoutMs: define("limits.keep_alive_timeout_ms", undefined, 10_000, whole(100, 600_000)),
  connectionAgeMs: define("limits.connection_age_ms", undefined, 1_800_000, whole(0, 86_400_000)),
  connections: define("limits.connections", undefined, 10_000, whole(1, 1_000_000)),
  connectionsPerAddress: define("limits.connections_per_address", undefined, 0, whole(0, 1_000_000)),
  streamsPerConnection: define("limits.streams_per_connection", undefined, 200, whole(1, 100_000)),
  watchWindowRevisions: define("watch.window_revisions", undefined, 1_000, whole(1, 1_000_000)),
  bookmarkIntervalMs: define("watch.bookmark_interval_ms", undefined, 15_000, whole(100, 600_000)),
  catchUpMs: define("watch.catch_up_ms", undefined, 10_000, whole(0, 600_000)),
  shutdownGraceMs: define("limits.shutdown_grace_ms", undefined, 10_000, whole(0, 600_000)),
};

function define<Value>(
  key: string,
  env: string | undefined,
  fallback: Value,
  read: Read<Value>,
): Definition<Value> {
  Object.freeze(fallback);
  return env === undefined ? { key, fallback, read } : { key, env, fallback, read };
}
