import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  contains,
  hasWildcard,
  matchesPattern,
  overlaps,
  patternFault,
  patternsCollide,
  subjectFault,
  type TokenSet,
  wildcardOf,
} from "../../src/config/subjects.ts";

// Every literal subject of up to four tokens over a few words, and one word that no rule names. That is enough to tell
// any two rules of up to three tokens apart.
const WORDS = ["a", "b", "other"];
const LITERALS = sequences(WORDS, 4).map((tokens) => tokens.join("."));

function sequences(words: readonly string[], longest: number): string[][] {
  let last: string[][] = [[]];
  const all: string[][] = [];
  for (let length = 1; length <= longest; length++) {
    last = last.flatMap((tokens) => words.map((word) => [...tokens, word]));
    all.push(...last);
  }
  return all;
}

// What NATS says of wildcards, written another way than in the source.
function standsFor(rule: string, literal: string): boolean {
  const source = rule.split(".").map((token) => (token === "*" ? "[^.]+" : token === ">" ? ".+" : token));
  return new RegExp(`^${source.join("\\.")}$`).test(literal);
}

const rule = fc
  .tuple(fc.array(fc.constantFrom("a", "b", "*"), { maxLength: 2 }), fc.constantFrom("a", "b", "*", ">"))
  .map(([tokens, last]) => [...tokens, last].join("."));

describe("rules with wildcards", () => {
  const RULES = sequences(["a", "b", "*"], 2)
    .concat([[]])
    .flatMap((tokens) => ["a", "b", "*", ">"].map((last) => [...tokens, last].join(".")));

  it("contain each other exactly when every subject of the inner one is the outer's", () => {
    for (const outer of RULES) {
      for (const inner of RULES) {
        const expected = LITERALS.every((literal) => !standsFor(inner, literal) || standsFor(outer, literal));
        expect(contains(outer, inner), `${outer} contains ${inner}`).toBe(expected);
      }
    }
  });

  it("overlap exactly when a subject is both's", () => {
    for (const one of RULES) {
      for (const other of RULES) {
        const expected = LITERALS.some((literal) => standsFor(one, literal) && standsFor(other, literal));
        expect(overlaps(one, other), `${one} overlaps ${other}`).toBe(expected);
      }
    }
  });

  it("contain themselves", () => {
    fc.assert(fc.property(rule, (one) => contains(one, one)));
  });

  it("contain what those that they contain contain", () => {
    fc.assert(
      fc.property(rule, rule, rule, (a, b, c) => !(contains(a, b) && contains(b, c)) || contains(a, c)),
      { numRuns: 2_000 },
    );
  });

  it("overlap what they contain", () => {
    fc.assert(fc.property(rule, rule, (a, b) => !contains(a, b) || overlaps(a, b)));
  });

  it("overlap in both directions", () => {
    fc.assert(fc.property(rule, rule, (a, b) => overlaps(a, b) === overlaps(b, a)));
  });
});

describe("a subject", () => {
  it.each(["a", "a.b", "*", ">", "a.*.b", "a.>", "$JS.API.>", "_INBOX.x", "live-1.ü", "{symbol}"])(
    "may be %j",
    (subject) => {
      expect(subjectFault(subject)).toBeUndefined();
    },
  );

  it.each([
    ["", "empty token"],
    [".a", "empty token"],
    ["a.", "empty token"],
    ["a..b", "empty token"],
    ["a b", "white space"],
    ["a.\t", "white space"],
    ["a.\u00a0", "white space"],
    ["a\0", "white space"],
    ["a\u0007", "control character"],
    [">.a", "before its last token"],
    ["a*", "wildcard within"],
    ["a.b>", "wildcard within"],
    ["**", "wildcard within"],
  ])("may not be %j", (subject, fault) => {
    expect(subjectFault(subject)).toContain(fault);
  });

  it.each([
    ["a.b", false],
    ["a.*", true],
    [">", true],
    ["a.b-", false],
  ])("like %s has a wildcard: %s", (subject, expected) => {
    expect(hasWildcard(subject)).toBe(expected);
  });
});

describe("a pattern", () => {
  it.each(["market.{symbol}.tick", "{a}", "a.b", "x.{user_id2}"])("may be %s", (pattern) => {
    expect(patternFault(pattern)).toBeUndefined();
  });

  it.each(["a.*", ">", "a.{}", "a.{B}", "a.x{b}", "a.{b}{c}", "a.{b", "a.{b c}", ""])(
    "may not be %j",
    (pattern) => {
      expect(patternFault(pattern)).toBeTypeOf("string");
    },
  );

  it("becomes a subject with wildcards", () => {
    expect(wildcardOf("market.{symbol}.tick")).toBe("market.*.tick");
  });
});

describe("patterns", () => {
  const PLACEHOLDERS = ["p", "q"];
  const pattern = fc
    .array(fc.constantFrom(...WORDS.slice(0, 2), ...PLACEHOLDERS.map((name) => `{${name}}`)), {
      minLength: 1,
      maxLength: 3,
    })
    .map((tokens) => tokens.join("."));
  const tokenSet: fc.Arbitrary<TokenSet> = fc.record({
    values: fc.subarray(["a", "b", "c"]),
    reserved: fc.subarray(["a", "b", "c"]),
  });
  const sets = fc.tuple(tokenSet, tokenSet).map(
    ([p, q]) =>
      new Map<string, TokenSet>([
        ["p", p],
        ["q", q],
      ]),
  );

  // One word of each kind: listed or reserved somewhere, and in no list at all.
  const UNIVERSE = sequences(["a", "b", "c", "other"], 3).map((tokens) => tokens.join("."));

  it("match exactly the subjects whose tokens are allowed in their places", () => {
    fc.assert(
      fc.property(pattern, sets, fc.constantFrom(...UNIVERSE), (one, known, subject) => {
        const tokens = subject.split(".");
        const steps = one.split(".");
        const expected =
          tokens.length === steps.length &&
          steps.every((step, index) => {
            const token = tokens[index] ?? "";
            const set = known.get(step.slice(1, -1));
            if (!step.startsWith("{") || !set) return step === token;
            const isListed = set.values.length === 0 || set.values.includes(token);
            return isListed && !set.reserved.includes(token);
          });
        return matchesPattern(one, subject, known) === expected;
      }),
      { numRuns: 3_000 },
    );
  });

  it("collide exactly when both match some subject", () => {
    fc.assert(
      fc.property(pattern, pattern, sets, (one, other, known) => {
        const both = UNIVERSE.some(
          (subject) => matchesPattern(one, subject, known) && matchesPattern(other, subject, known),
        );
        return patternsCollide(one, other, known) === both;
      }),
      { numRuns: 2_000 },
    );
  });
});
