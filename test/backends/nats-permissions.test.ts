import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { connect, type NatsConnection } from "nats";
import { describe, expect, it } from "vitest";
import { type NatsConfig, NatsConfigSchema } from "../../gen/centralhub/config/v1/nats_pb.ts";
import type { Action } from "../../src/config/permissions.ts";
import { decidePermission } from "../../src/config/permissions.ts";
import { renderNatsPermissions } from "../../src/topology/nats-permissions.ts";
import { managerOf } from "../config/manager.ts";
import { type NatsServer, startNats } from "../support/servers/nats.ts";

interface Question {
  readonly action: Action;
  readonly subject: string;
}

/** A password with what a configuration file reads otherwise than it stands. */
const passwordOf = (service: string): string => `p$ #{${service}} "1"`;
const escaped = (text: string): string => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;

/** Runs a server with the rendered block, and hands out connections of its services. */
async function withRendered(
  config: NatsConfig,
  use: (connectAs: (service: string) => Promise<NatsConnection>, server: NatsServer) => Promise<void>,
): Promise<void> {
  const { block, variables } = renderNatsPermissions("phase2", config);
  const env = Object.fromEntries(
    [...variables].map(([service, name]) => [name, escaped(passwordOf(service))]),
  );
  const server = await startNats({ configuration: block, env });
  const connections: NatsConnection[] = [];
  try {
    await use(async (service) => {
      const connection = await connect({
        ...{ servers: server.url, user: service, pass: passwordOf(service), noAsyncTraces: true },
      });
      connections.push(connection);
      return connection;
    }, server);
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
    await server.stop();
  }
}

/** What the server itself says to each question, asked one after another. */
async function answersOf(connection: NatsConnection, questions: readonly Question[]): Promise<boolean[]> {
  let refusals = 0;
  void (async () => {
    for await (const { type, permissionContext } of connection.status()) {
      if (type === "error" && permissionContext) refusals++;
    }
  })();
  const answers: boolean[] = [];
  for (const { action, subject } of questions) {
    const before = refusals;
    if (action === "publish") connection.publish(subject);
    else connection.subscribe(subject, { callback: () => {} });
    // The refusal comes before the answer to the flush, and is told on the next turn.
    await connection.flush();
    await new Promise((resolve) => setImmediate(resolve));
    answers.push(refusals === before);
  }
  return answers;
}

describe("the permissions of the shipped phase2, rendered for a server", () => {
  const config = managerOf().snapshot.documents.versions.get("phase2")?.nats?.message;
  const manager = managerOf();
  const SUBJECTS = [
    ...[
      "market.EURUSD.tick",
      "market.EURUSD.5m",
      "market.EURUSD.price",
      "market.EURUSD",
      "market",
      "marketing.a",
    ],
    ...["signals.scalping.EURUSD", "signals.alerts.breakout", "signals", "indicators.rsi.EURUSD"],
    ...[
      "system.health.data-bridge",
      "_INBOX.abc.1",
      "$JS.API.INFO",
      "$SYS.REQ.SERVER.PING",
      "MARKET.EURUSD.tick",
    ],
  ];
  const WILDCARDS = [
    "market.>",
    "market.*.tick",
    "market.*",
    "signals.>",
    "signals.*.*",
    "*.>",
    ">",
    "*",
    "_INBOX.>",
  ];
  const questions: Question[] = [
    ...SUBJECTS.map((subject) => ({ action: "publish" as const, subject })),
    ...[...SUBJECTS, ...WILDCARDS].map((subject) => ({ action: "subscribe" as const, subject })),
  ];

  it("are what CheckPermission says, for every service", async () => {
    if (!config) throw new Error("phase2 declares no NATS");
    await withRendered(config, async (connectAs) => {
      for (const service of Object.keys(config.permissions)) {
        const answers = await answersOf(await connectAs(service), questions);
        const told = questions.map(
          (question) => manager.checkPermission({ service, version: "phase2", ...question }).allowed,
        );
        const both = questions.map(({ action, subject }, at) => `${action} ${subject}: ${answers[at]}`);
        expect(both, service).toEqual(
          questions.map(({ action, subject }, at) => `${action} ${subject}: ${told[at]}`),
        );
        expect(new Set(told)).toEqual(new Set([true, false]));
      }
    });
  });

  it("let in nobody with another password, or without a name", async () => {
    if (!config) throw new Error("phase2 declares no NATS");
    await withRendered(config, async (_connectAs, { url }) => {
      for (const user of [
        { user: "data-bridge", pass: passwordOf("live-collector") },
        { user: "data-bridge" },
        {},
      ]) {
        await expect(connect({ servers: url, ...user, maxReconnectAttempts: 0 })).rejects.toThrow(
          /Authorization/,
        );
      }
    });
  });
});

describe("any permissions, rendered for a server", () => {
  const token = fc.constantFrom("a", "b", 'q"', "back\\slash", "$v", "é");
  const literal = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join("."));
  const wild = fc
    .tuple(
      fc.array(fc.oneof(token, fc.constant("*")), { maxLength: 2 }),
      fc.oneof(token, fc.constantFrom("*", ">", ">")),
    )
    .map(([tokens, last]) => [...tokens, last].join("."));
  const rules = fc.uniqueArray(wild, { maxLength: 3 });
  const permissions = fc.record({
    publish: rules,
    subscribe: rules,
    denyPublish: rules,
    denySubscribe: rules,
  });
  const question: fc.Arbitrary<Question> = fc.oneof(
    fc.record({ action: fc.constant("publish" as const), subject: literal }),
    fc.record({ action: fc.constant("subscribe" as const), subject: wild }),
  );
  // Three of them would have the same variable.
  const SERVICES = ["a-b", "a.b", "a_b", "other", "9"];

  it("are what is said of them", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(...SERVICES.map(() => permissions)),
        fc.array(question, { minLength: 40, maxLength: 60 }),
        async (lists, questions) => {
          const config = create(NatsConfigSchema, {
            permissions: Object.fromEntries(SERVICES.map((service, at) => [service, lists[at] ?? {}])),
          });
          await withRendered(config, async (connectAs) => {
            for (const service of SERVICES) {
              const answers = await answersOf(await connectAs(service), questions);
              const own = config.permissions[service];
              const told = questions.map(
                ({ action, subject }) => decidePermission(service, own, action, subject).allowed,
              );
              const shown = (allowed: readonly boolean[]) =>
                questions.map(({ action, subject }, at) => `${action} ${subject}: ${allowed[at]}`);
              expect(shown(answers), `${service} ${JSON.stringify(lists)}`).toEqual(shown(told));
            }
          });
        },
      ),
      { numRuns: 12, interruptAfterTimeLimit: 60_000, endOnFailure: true },
    );
  });
});

describe("a service that may answer", () => {
  it("answers who asks it, and publishes nothing else", async () => {
    const config = create(NatsConfigSchema, {
      permissions: {
        asker: { publish: ["ask.>"], subscribe: ["_INBOX.>"] },
        oracle: { subscribe: ["ask.>"], allowResponses: true },
        mute: { subscribe: ["ask.>"] },
      },
    });
    await withRendered(config, async (connectAs) => {
      const oracle = await connectAs("oracle");
      oracle.subscribe("ask.oracle", { callback: (_error, message) => void message.respond("yes") });
      const mute = await connectAs("mute");
      mute.subscribe("ask.mute", { callback: (_error, message) => void message.respond("yes") });
      await Promise.all([oracle.flush(), mute.flush()]);
      const asker = await connectAs("asker");
      expect((await asker.request("ask.oracle", "", { timeout: 2_000 })).string()).toBe("yes");
      await expect(asker.request("ask.mute", "", { timeout: 300 })).rejects.toMatchObject({
        code: "TIMEOUT",
      });
      expect(await answersOf(oracle, [{ action: "publish", subject: "ask.oracle" }])).toEqual([false]);
    });
  });
});
