import { describe, expect, it } from "vitest";
import { HubError } from "../../src/errors.ts";
import { edited, withFiles } from "./documents.ts";
import { ask, managerOf } from "./manager.ts";

const KAFKA = "phase2/messaging/kafka.json";
const PROTOTYPE_NAMES = ["__proto__", "constructor", "toString", "hasOwnProperty"];

function errorOf(call: () => unknown): HubError {
  try {
    call();
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}

describe("the version of an answer", () => {
  const manager = managerOf();
  const versionFor = (fields: { version?: string; service?: string }) =>
    manager.getKafkaTopics(ask(fields)).header?.version;

  it("is the default without a name and a service", () => {
    expect(versionFor({})).toBe("phase2");
  });

  it("is the flag's for a service", () => {
    expect(versionFor({ service: "historical-loader" })).toBe("phase1");
    expect(versionFor({ service: "data-bridge" })).toBe("phase2");
  });

  it("is the one that is named, whatever the flag says", () => {
    expect(versionFor({ version: "phase2", service: "historical-loader" })).toBe("phase2");
    expect(versionFor({ version: "phase1" })).toBe("phase1");
  });

  it.each(["phase3", "PHASE2", "phase2 ", ...PROTOTYPE_NAMES])(
    "cannot be %j, and the known ones are named",
    (version) => {
      const error = errorOf(() => manager.getKafkaTopics(ask({ version })));
      expect(error).toMatchObject({
        reason: "UNKNOWN_VERSION",
        message: `version: "${version}" is not known; known are: phase1, phase2`,
        metadata: { field: "version", name: version, known: "phase1, phase2" },
      });
    },
  );

  it.each(["nobody", ...PROTOTYPE_NAMES])("is not known for the service %s, not even by name", (service) => {
    for (const version of ["", "phase1"]) {
      const error = errorOf(() => manager.getKafkaTopics(ask({ version, service })));
      expect(error.reason).toBe("UNKNOWN_SERVICE");
      expect(error.message).toContain("known are: account-service, audit-service");
      expect(error.message).toContain("infrastructure.yaml");
    }
  });

  it("is the same for every service when no document lists the services", () => {
    const open = managerOf(withFiles({ "infrastructure.yaml": undefined }));
    expect(open.getKafkaTopics(ask({ service: "nobody" })).header?.version).toBe("phase2");
  });
});

describe("a domain", () => {
  const manager = managerOf();

  it("is answered with its own topics alone", () => {
    const { domain, domains } = manager.getKafkaTopics(ask({ domain: "user_domain" }));
    expect(domain).toBe("user_domain");
    expect(Object.keys(domains)).toEqual(["user_domain"]);
    expect(domains.user_domain?.topics.commands?.name).toBe("user.commands");
  });

  it("that is not named stands for all", () => {
    const topics = manager.getKafkaTopics(ask());
    expect([topics.domain, ...Object.keys(topics.domains)]).toEqual(["all", "user_domain", "system_domain"]);
    const subjects = manager.getNatsSubjects(ask());
    expect([subjects.domain, ...Object.keys(subjects.domains)]).toEqual([
      "all",
      "market_data",
      "signals",
      "indicators",
      "system",
    ]);
  });

  it("may be called all, and is then not mistaken for all of them", () => {
    const own = managerOf(edited([[KAFKA, '"system_domain": {', '"all": {']]));
    expect(Object.keys(own.getKafkaTopics(ask()).domains)).toEqual(["user_domain", "all"]);
    expect(Object.keys(own.getKafkaTopics(ask({ domain: "all" })).domains)).toEqual(["all"]);
  });

  it.each(["users", "all", ...PROTOTYPE_NAMES])("cannot be %j, and the known ones are named", (domain) => {
    const topics = errorOf(() => manager.getKafkaTopics(ask({ domain })));
    expect(topics).toMatchObject({
      reason: "UNKNOWN_DOMAIN",
      metadata: { known: "system_domain, user_domain" },
    });
    const subjects = errorOf(() => manager.getNatsSubjects(ask({ domain })));
    expect(subjects).toMatchObject({
      reason: "UNKNOWN_DOMAIN",
      metadata: { known: "indicators, market_data, signals, system" },
    });
  });

  it("of one version is not one of another", () => {
    expect(
      errorOf(() => manager.getKafkaTopics(ask({ domain: "user_domain", version: "phase1" }))).reason,
    ).toBe("UNKNOWN_DOMAIN");
  });
});

describe("a system", () => {
  const manager = managerOf();

  it.each(["nats", "kafka"] as const)("%s is answered with its document", (system) => {
    const { config } = manager.getMessagingConfig({ ...ask(), system });
    const document = manager.snapshot.documents.versions.get("phase2")?.[system];
    expect(config.case).toBe(system);
    expect(config.value).toEqual(document?.message);
  });

  it.each(["redis", "NATS", "", ...PROTOTYPE_NAMES])("cannot be %j", (system) => {
    expect(errorOf(() => manager.getMessagingConfig({ ...ask(), system }))).toMatchObject({
      reason: "UNKNOWN_SYSTEM",
      metadata: { known: "kafka, nats, zookeeper" },
    });
  });

  it("that the version does not declare is an error that says so", () => {
    const own = managerOf(
      withFiles({ [KAFKA]: undefined, "data-routes.yaml": undefined, "compliance.yaml": undefined }),
    );
    const calls = [
      () => own.getKafkaTopics(ask()),
      () => own.getKafkaConsumerGroups(ask()),
      () => own.getMessagingConfig({ ...ask(), system: "kafka" }),
    ];
    for (const call of calls) {
      expect(errorOf(call)).toMatchObject({
        reason: "NOT_DECLARED",
        metadata: { version: "phase2", system: "kafka" },
      });
    }
  });
});

describe("consumer groups", () => {
  it("are answered by version", () => {
    const manager = managerOf();
    expect(Object.keys(manager.getKafkaConsumerGroups(ask()).consumerGroups)).toEqual([
      "trading_engine",
      "audit_service",
      "websocket_{user_id}",
    ]);
    const phase1 = manager.getKafkaConsumerGroups(ask({ version: "phase1" })).consumerGroups;
    expect(phase1.audit_service?.topics).toEqual(["system.audit"]);
  });
});

describe("a permission", () => {
  const manager = managerOf();
  const may = (service: string, subject = "market.EURUSD.tick", version = "") =>
    manager.checkPermission({ service, version, subject, action: "publish" });

  it("is decided by the document of the version, which the header names", () => {
    expect(may("live-collector")).toMatchObject({
      allowed: true,
      rule: "permissions.live-collector.publish: market.>",
      header: { version: "phase2", revision: 1n },
    });
    expect(may("live-collector", "signals.alerts.rsi").allowed).toBe(true);
    expect(may("live-collector", "signals.alerts.rsi", "phase1")).toMatchObject({
      allowed: false,
      header: { version: "phase1" },
    });
  });

  it("is not there for a known service without an entry", () => {
    expect(may("trading-engine")).toMatchObject({
      allowed: false,
      rule: "permissions.trading-engine is not declared: nothing is allowed",
    });
  });

  it.each(["nobody", ...PROTOTYPE_NAMES])("cannot be asked for %s, which is no service", (service) => {
    expect(errorOf(() => may(service)).reason).toBe("UNKNOWN_SERVICE");
  });

  it.each(PROTOTYPE_NAMES)("is not there for %s when no document lists the services", (service) => {
    const open = managerOf(withFiles({ "infrastructure.yaml": undefined }));
    const answer = open.checkPermission({
      service,
      version: "",
      subject: "market.a.tick",
      action: "subscribe",
    });
    expect(answer.allowed).toBe(false);
  });
});
