import { describe, expect, it } from "vitest";
import { Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import { ServingStatus } from "../../src/rpc/serving-status.ts";
import { FakeHealth } from "../health/fake-health.ts";

function start() {
  const fake = new FakeHealth();
  fake.platform.component = {
    kafka: Verdict.OK,
    nats: Verdict.WRONG,
    zookeeper: Verdict.NOT_CONFIGURED,
    timescaledb: Verdict.UNKNOWN,
  };
  fake.platform.service = {
    "trading-engine": Verdict.OK,
    "centralhub.config.v1.ConfigService": Verdict.WRONG,
  };
  return {
    fake,
    status: new ServingStatus(["centralhub.config.v1.ConfigService"], fake.sources.infrastructure),
  };
}

describe("the serving status", () => {
  it("of components and services of the platform follows their verdicts; the hub's own names win", () => {
    const { status } = start();
    expect(Object.fromEntries(status.all())).toEqual({
      "": "SERVING",
      "centralhub.config.v1.ConfigService": "SERVING",
      kafka: "SERVING",
      nats: "NOT_SERVING",
      zookeeper: "UNKNOWN",
      timescaledb: "UNKNOWN",
      "trading-engine": "SERVING",
    });
    expect(status.get("nats")).toBe("NOT_SERVING");
    expect(status.get("centralhub.config.v1.ConfigService")).toBe("SERVING");
  });

  it("changes with them, and names come and go with the documents", () => {
    const { fake, status } = start();
    const seen: (string | undefined)[] = [];
    const stop = status.onChange(() => void seen.push(status.get("kafka")));
    fake.platform.component.kafka = Verdict.WRONG;
    fake.tell();
    delete fake.platform.component.kafka;
    fake.tell();
    stop();
    fake.tell();
    expect(seen).toEqual(["NOT_SERVING", undefined]);
  });

  it("of a hub that stops is NOT_SERVING for what is its own, and the truth for what it looks at", () => {
    const { status } = start();
    status.setAll("NOT_SERVING");
    expect([status.get(""), status.get("kafka")]).toEqual(["NOT_SERVING", "SERVING"]);
  });

  it("is worked out once for all who ask between two changes", () => {
    const { fake, status } = start();
    for (let asked = 0; asked < 100; asked++) status.get("nats");
    expect(fake.asked).toBe(1);
    status.stop();
    expect(fake.listeners).toBe(0);
  });
});
