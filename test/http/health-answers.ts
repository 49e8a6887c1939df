import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ComponentHealthSchema,
  FindingSeverity,
  FindingType,
  HealthStatus,
  RemedyKind,
  ResourceStatus,
  ServiceHealthSchema,
  Verdict,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  CheckConsumerGroupsResponseSchema,
  CheckKafkaTopicsResponseSchema,
  CheckNatsStreamsResponseSchema,
} from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { unknownName } from "../../src/errors.ts";
import type { HealthSources } from "../../src/health/health-board.ts";

const SEEN = timestampFromMs(Date.UTC(2026, 0, 31, 12));
export const SEEN_TEXT = "2026-01-31T12:00:00.000Z";
export const DAYS_90 = 7_776_000_000;

const onChange = () => () => {};

/** What is known of a platform whose broker has one topic as declared, one with too short a retention, and lacks one. */
export const DEGRADED: HealthSources = {
  infrastructure: {
    components: () =>
      new Map([
        [
          "kafka",
          create(ComponentHealthSchema, {
            name: "kafka",
            kind: "kafka",
            verdict: Verdict.WRONG,
            reason: "no answer within 2000 ms",
            sinceTime: SEEN,
            checkTime: SEEN,
            latency: durationFromMs(2000),
            address: "kafka:9092",
            impairedServices: ["audit-service", "trading-engine"],
          }),
        ],
        [
          "zookeeper",
          create(ComponentHealthSchema, {
            name: "zookeeper",
            kind: "zookeeper",
            verdict: Verdict.NOT_CONFIGURED,
          }),
        ],
      ]),
    services: () =>
      new Map([
        [
          "trading-engine",
          create(ServiceHealthSchema, {
            name: "trading-engine",
            verdict: Verdict.WRONG,
            causedBy: ["kafka"],
            liveInstances: 2,
          }),
        ],
      ]),
    onChange,
  },
  kafka: {
    topics: (version) => {
      if (version === "phase9")
        throw unknownName("UNKNOWN_VERSION", "version", version, ["phase1", "phase2"]);
      return create(CheckKafkaTopicsResponseSchema, {
        status: HealthStatus.DEGRADED,
        topics: {
          "user.auth": {
            name: "user.auth",
            domain: "user_domain",
            key: "auth",
            status: ResourceStatus.HEALTHY,
            exists: true,
            expectedPartitions: 3,
            expectedRetentionMs: BigInt(DAYS_90),
            partitions: 3,
            replicationFactor: 1,
            settings: [{ name: "retention.ms", value: String(DAYS_90), source: "topic" }],
            evidence: { oldestRecordTime: SEEN, records: 12n },
          },
          "user.trades": {
            name: "user.trades",
            domain: "user_domain",
            key: "trades",
            status: ResourceStatus.DRIFTED,
            exists: true,
            expectedPartitions: 6,
            expectedRetentionMs: 220_903_200_000n,
            partitions: 6,
            floors: [{ rule: "FINRA_4511", floorMs: 220_903_200_000n, verdict: Verdict.WRONG }],
            findings: [
              {
                type: FindingType.RETENTION_SHORTER,
                severity: FindingSeverity.FAIL,
                resource: "user.trades",
                setting: "retention.ms",
                expected: "220903200000",
                actual: "604800000",
                message: "records are kept for 7 days, declared are 7 years",
                remedies: [{ kind: RemedyKind.FIX_BROKER, action: "central-hub apply" }],
                sinceTime: SEEN,
              },
            ],
          },
          "user.settings": {
            name: "user.settings",
            domain: "user_domain",
            status: ResourceStatus.MISSING,
            exists: false,
            expectedPartitions: 3,
            expectedRetentionMs: -1n,
          },
        },
        total: 3,
        healthy: 1,
        missing: 1,
        drifted: 1,
        observeTime: SEEN,
        version: "phase2",
        revision: 7n,
        clusterId: "5L6g3nShT-eMCtK--X86sw",
      });
    },
    groups: () =>
      create(CheckConsumerGroupsResponseSchema, {
        status: HealthStatus.HEALTHY,
        groups: {
          trading_engine: {
            name: "trading_engine",
            status: ResourceStatus.HEALTHY,
            topics: ["user.commands"],
            liveGroupCount: 1,
            liveGroups: [
              { name: "trading_engine", state: "Stable", members: 2, topics: ["user.commands"], lag: 0n },
            ],
          },
        },
      }),
    onChange,
  },
  nats: {
    streams: () =>
      create(CheckNatsStreamsResponseSchema, {
        status: HealthStatus.ERROR,
        error: "nats: no answer within 2000 ms",
        streams: { signals_stream: { name: "signals_stream", status: ResourceStatus.UNKNOWN } },
        total: 1,
        unknown: 1,
        version: "phase2",
        revision: 7n,
      }),
    onChange,
  },
};

/** A broker that cannot be seen. */
export const UNSEEN: HealthSources = {
  ...DEGRADED,
  kafka: {
    ...DEGRADED.kafka,
    topics: () =>
      create(CheckKafkaTopicsResponseSchema, {
        status: HealthStatus.ERROR,
        error: "kafka: connect ECONNREFUSED 127.0.0.1:9092",
        topics: {
          "user.auth": {
            name: "user.auth",
            domain: "user_domain",
            status: ResourceStatus.UNKNOWN,
            expectedPartitions: 3,
            expectedRetentionMs: BigInt(DAYS_90),
          },
        },
        total: 1,
        unknown: 1,
      }),
  },
};
