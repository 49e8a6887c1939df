import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NatsPermissions, NatsPermissionsSchema } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { type Action, decidePermission } from "../../src/config/permissions.ts";
import { contains } from "../../src/config/subjects.ts";
import { HubError } from "../../src/errors.ts";

function lists(action: Action, allow: string[], deny: string[] = []): NatsPermissions {
  return action === "publish"
    ? create(NatsPermissionsSchema, { publish: allow, denyPublish: deny })
    : create(NatsPermissionsSchema, { subscribe: allow, denySubscribe: deny });
}

function refusal(action: Action, subject: string): HubError {
  try {
    decidePermission("s", lists(action, [">"]), action, subject);
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  throw new Error(`${subject} was decided`);
}

type Case = {
  allow: string[];
  deny?: string[];
  ask: string;
  allowed: boolean;
  rule: string;
  withheld?: string[];
};

const BOTH: readonly Case[] = [
  { allow: ["a.b"], ask: "a.b", allowed: true, rule: ": a.b" },
  { allow: ["a.*"], ask: "a.b", allowed: true, rule: ": a.*" },
  { allow: ["a.>"], ask: "a.b.c", allowed: true, rule: ": a.>" },
  { allow: ["a.>"], ask: "a", allowed: false, rule: "allows no subject that contains it" },
  { allow: ["a.*"], ask: "a.b.c", allowed: false, rule: "allows no subject that contains it" },
  { allow: ["a.b"], ask: "A.B", allowed: false, rule: "allows no subject that contains it" },
  { allow: [], ask: "a", allowed: false, rule: "allows no subject that contains it" },
  { allow: [], deny: ["a"], ask: "a", allowed: false, rule: ": a" },
  { allow: [">"], deny: ["a.b"], ask: "a.b", allowed: false, rule: ": a.b" },
  { allow: ["a.b"], deny: ["a.>"], ask: "a.b", allowed: false, rule: ": a.>" },
  { allow: [">"], deny: ["a.b"], ask: "a.c", allowed: true, rule: ": >" },
];

const SUBSCRIBE: readonly Case[] = [
  { allow: ["a.>"], ask: "a.*", allowed: true, rule: "subscribe: a.>" },
  { allow: ["a.>"], ask: "a.>", allowed: true, rule: "subscribe: a.>" },
  { allow: ["a.>"], ask: ">", allowed: false, rule: "allows no subject" },
  // A server takes the ">" for one token more.
  { allow: ["a.*"], ask: "a.>", allowed: true, rule: "subscribe: a.*" },
  { allow: ["a.*.c"], ask: "a.>", allowed: false, rule: "allows no subject" },
  { allow: [">"], deny: ["a.*"], ask: "a.>", allowed: false, rule: "deny_subscribe: a.*" },
  { allow: ["a.b", "a.c"], ask: "a.*", allowed: false, rule: "allows no subject" },
  { allow: [">"], deny: ["a.b"], ask: "a.*", allowed: true, rule: "subscribe: >", withheld: ["a.b"] },
  {
    allow: [">"],
    deny: ["*.b", "c.>", "a.x.y"],
    ask: "a.>",
    allowed: true,
    rule: "subscribe: >",
    withheld: ["*.b", "a.x.y"],
  },
  { allow: [">"], deny: ["a.>"], ask: "a.*", allowed: false, rule: "deny_subscribe: a.>" },
  { allow: [">"], deny: ["c.>"], ask: "a.>", allowed: true, rule: "subscribe: >" },
];

describe.each(["publish", "subscribe"] as const)("to %s", (action) => {
  it.each(BOTH)(
    "$ask with $allow but not $deny is allowed: $allowed",
    ({ allow, deny, ask, allowed, rule }) => {
      const answer = decidePermission("s", lists(action, allow, deny), action, ask);
      expect(answer).toEqual({ allowed, rule: expect.stringContaining(rule), withheld: [] });
      expect(answer.rule).toMatch(new RegExp(`^permissions\\.s\\.(deny_)?${action}`));
    },
  );

  it("looks at its own lists alone", () => {
    const other: Action = action === "publish" ? "subscribe" : "publish";
    expect(decidePermission("s", lists(other, [">"]), action, "a").allowed).toBe(false);
    const denied = create(NatsPermissionsSchema, {
      ...(action === "publish"
        ? { publish: ["a"], denySubscribe: ["a"] }
        : { subscribe: ["a"], denyPublish: ["a"] }),
    });
    expect(decidePermission("s", denied, action, "a").allowed).toBe(true);
  });

  it("allows nothing to a service without an entry", () => {
    expect(decidePermission("s", undefined, action, "a")).toEqual({
      allowed: false,
      rule: "permissions.s is not declared: nothing is allowed",
      withheld: [],
    });
  });

  it.each(["", "a..b", "a b", "a.>.b", "a*"])("refuses %j, which is no subject", (subject) => {
    const error = refusal(action, subject);
    expect(error.reason).toBe("INVALID_SUBJECT");
    expect(error.metadata).toMatchObject({ field: "subject" });
  });

  // The whole universe of small subjects, against what NATS documents: matched by an allowance and by no denial.
  it("allows a subject exactly when an allowance matches it and no denial does", () => {
    const word = fc.constantFrom("a", "b", "*");
    const rule = fc
      .tuple(fc.array(word, { maxLength: 2 }), fc.constantFrom("a", "b", "*", ">"))
      .map(([tokens, last]) => [...tokens, last].join("."));
    const rules = fc.array(rule, { maxLength: 3 });
    const literal = fc
      .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 })
      .map((tokens) => tokens.join("."));
    const matches = (one: string, subject: string): boolean => {
      const source = one.split(".").map((token) => (token === "*" ? "[^.]+" : token === ">" ? ".+" : token));
      return new RegExp(`^${source.join("\\.")}$`).test(subject);
    };
    fc.assert(
      fc.property(rules, rules, literal, (allow, deny, subject) => {
        const expected =
          allow.some((one) => matches(one, subject)) && !deny.some((one) => matches(one, subject));
        return decidePermission("s", lists(action, allow, deny), action, subject).allowed === expected;
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("to subscribe with wildcards", () => {
  it.each(SUBSCRIBE)(
    "$ask with $allow but not $deny is allowed: $allowed",
    ({ allow, deny, ask, allowed, rule, withheld }) => {
      const answer = decidePermission("s", lists("subscribe", allow, deny), "subscribe", ask);
      expect(answer).toEqual({ allowed, rule: expect.stringContaining(rule), withheld: withheld ?? [] });
    },
  );

  it("is allowed only within an allowance, and never within a denial", () => {
    const rule = fc
      .tuple(fc.array(fc.constantFrom("a", "*"), { maxLength: 2 }), fc.constantFrom("a", "b", "*", ">"))
      .map(([tokens, last]) => [...tokens, last].join("."));
    fc.assert(
      fc.property(fc.array(rule), fc.array(rule), rule, (allow, deny, subject) => {
        const { allowed } = decidePermission("s", lists("subscribe", allow, deny), "subscribe", subject);
        // A server takes wildcards of a subscription for plain tokens that no rule names.
        const plain = subject.replaceAll(/[*>]/g, "other");
        const expected =
          allow.some((one) => contains(one, plain)) && !deny.some((one) => contains(one, plain));
        return allowed === expected;
      }),
    );
  });
});

it.each(["a.*", ">"])("a publish to %s is refused: it names one subject", (subject) => {
  expect(refusal("publish", subject)).toMatchObject({
    reason: "INVALID_SUBJECT",
    message: expect.stringContaining("has a wildcard"),
  });
});
