import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { NatsConfigSchema } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { renderNatsPermissions } from "../../src/topology/nats-permissions.ts";
import { snapshotOf } from "../config/manager.ts";

describe("the block of the shipped phase2", () => {
  const config = snapshotOf().documents.versions.get("phase2")?.nats?.message ?? create(NatsConfigSchema);
  const { block, variables } = renderNatsPermissions("phase2", config);

  it("has one user for each service, and denies what a list leaves empty", () => {
    const lines = block.split("\n").filter((line) => line !== "" && !line.trimStart().startsWith("#"));
    expect(lines).toEqual([
      "authorization {",
      "  users: [",
      "    {",
      '      user: "data-bridge"',
      "      password: $NATS_PASSWORD_DATA_BRIDGE",
      "      permissions: {",
      '        publish: { deny: [">"] }',
      '        subscribe: { allow: ["market.>", "signals.>"] }',
      "      }",
      "    }",
      "    {",
      '      user: "live-collector"',
      "      password: $NATS_PASSWORD_LIVE_COLLECTOR",
      "      permissions: {",
      '        publish: { allow: ["market.>", "signals.>"] }',
      '        subscribe: { deny: [">"] }',
      "      }",
      "    }",
      "  ]",
      "}",
    ]);
    expect(Object.fromEntries(variables)).toEqual({
      "data-bridge": "NATS_PASSWORD_DATA_BRIDGE",
      "live-collector": "NATS_PASSWORD_LIVE_COLLECTOR",
    });
  });

  it("says who could wait for replies in vain, and who could not give any", () => {
    expect(block).toContain(
      "# live-collector may send requests (market.*.price) and may not subscribe to _INBOX.>",
    );
    expect(block).toContain("# data-bridge gets requests (market.*.price) and could not answer them");
  });
});

describe("the block of other declarations", () => {
  const users = { asker: { publish: ["ask"], subscribe: ["_INBOX.>"] }, oracle: { subscribe: ["ask"] } };
  const subjects = {
    a: { subjects: { ask: { pattern: "ask", example: "ask", purpose: "x", requestReply: true } } },
  };

  it("says nothing of who has an inbox, or may answer", () => {
    const oracle = { ...users.oracle, allowResponses: true };
    const config = create(NatsConfigSchema, { subjects, permissions: { ...users, oracle } });
    const { block } = renderNatsPermissions("v", config);
    expect(block).not.toMatch(/may send requests|could not answer/);
    expect(block).toContain("allow_responses: true");
  });

  it("gives each service a variable of its own, whatever the others are called", () => {
    const permissions = { "a-b": {}, "a.b": {}, c: {} };
    const { variables } = renderNatsPermissions("v", create(NatsConfigSchema, { permissions }));
    expect(new Set(variables.values()).size).toBe(3);
    expect(variables.get("c")).toBe("NATS_PASSWORD_C");
    expect(variables.get("a-b")).toMatch(/^NATS_PASSWORD_A_B_[0-9A-F]{8}$/);
    const fewer = renderNatsPermissions(
      "v",
      create(NatsConfigSchema, { permissions: { "a.b": {}, "a-b": {} } }),
    );
    expect(fewer.variables.get("a-b")).toBe(variables.get("a-b"));
  });

  it("writes out what a rule covers where some servers would overlook it", () => {
    const permissions = { a: { publish: [">"], denyPublish: ["a.*", "a.b.c", "*.x.y", "a.d.>", "q"] } };
    const { block } = renderNatsPermissions("v", create(NatsConfigSchema, { permissions }));
    expect(block).toContain('deny: ["a.*", "a.b.c", "*.x.y", "a.d.>", "q", "a.b", "a.d"]');
  });

  it("keeps every character of a subject within its quotes", () => {
    const permissions = { a: { publish: ['a"b', "back\\slash", "$HOME", "é"] } };
    const { block } = renderNatsPermissions("v", create(NatsConfigSchema, { permissions }));
    expect(block).toContain('allow: ["a\\"b", "back\\\\slash", "$HOME", "é"]');
  });
});
