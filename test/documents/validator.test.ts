import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inJavaScript } from "../../src/documents/validator.ts";

const PROTO = join(import.meta.dirname, "../../proto");

// As written in the contract, after the quotes of the .proto.
function patterns(): string[] {
  const files = readdirSync(PROTO, { recursive: true, encoding: "utf8" });
  const texts = files
    .filter((file) => file.endsWith(".proto"))
    .map((file) => readFileSync(join(PROTO, file), "utf8"));
  const found = texts.flatMap((text) => [...text.matchAll(/\bpattern: "((?:[^"\\]|\\.)*)"/g)]);
  return [...new Set(found.map(([, quoted]) => JSON.parse(`"${quoted}"`) as string))];
}

describe("the patterns of the contract", () => {
  it("say the same in V8 as in RE2", () => {
    expect(patterns().length).toBeGreaterThan(5);
    for (const pattern of patterns()) {
      // Classes, groups, counts and anchors are alike; of escapes only those of single characters are, and white space in a class.
      expect(pattern).not.toMatch(/\(\?|\\[^xs./[\]\\^$|?*+(){}-]/);
      const outside = pattern.replaceAll(/\[(?:[^\]\\]|\\.)*\]/g, "");
      expect(outside).not.toContain(String.raw`\s`);
      expect(() => new RegExp(inJavaScript(pattern), "u")).not.toThrow();
    }
  });

  it("take white space of other scripts for what RE2 takes it for", () => {
    const address = new RegExp(inJavaScript(String.raw`^[^\s:]+:[0-9]{1,5}$`), "u");
    expect(address.test("kafka:9092")).toBe(true);
    expect(address.test("ka fka:9092")).toBe(false);
    expect(address.test("ka\u00a0fka:9092")).toBe(true);
    expect(address.test("kafka:9092\n")).toBe(false);
  });
});
