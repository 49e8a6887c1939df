import { describe, expect, it } from "vitest";
import { type ChooseVersion, VERSION_FLAG } from "../../src/config/flags.ts";
import { compile } from "../../src/config/snapshot.ts";
import { compiled, SHIPPED, withFiles } from "./documents.ts";

function chooser(flag: Record<string, unknown>, text = (json: string) => json): ChooseVersion {
  const shipped = { state: "ENABLED", variants: { old: "phase1", new: "phase2" }, defaultVariant: "new" };
  const json = JSON.stringify({ flags: { [VERSION_FLAG]: { ...shipped, ...flag } } });
  return compiled(withFiles({ "flags.json": text(json) })).chooseVersion;
}

const only = (service: string, variant: unknown) => ({
  targeting: { if: [{ "===": [{ var: "service" }, service] }, variant, null] },
});

describe("the flag for versions", () => {
  it("gives the default to everyone whom no rule names", () => {
    const choose = chooser(only("data-bridge", "old"));
    expect(["", "live-collector"].map((service) => choose(service))).toEqual(["phase2", "phase2"]);
  });

  it("gives a service the version of the variant that its rule names", () => {
    expect(chooser(only("data-bridge", "old"))("data-bridge")).toBe("phase1");
  });

  it("gives everyone the default while it is disabled", () => {
    const choose = chooser({ ...only("data-bridge", "old"), state: "DISABLED" });
    expect(["", "data-bridge"].map((service) => choose(service))).toEqual(["phase2", "phase2"]);
  });

  it("gives the default when a rule works out what is no variant", () => {
    expect(chooser(only("data-bridge", { cat: ["new", "est"] }))("data-bridge")).toBe("phase2");
  });

  it.each<[string, unknown, string[]]>([
    ["after a condition", { if: [true, "newest", null] }, ["targeting.if[1]"]],
    ["after the second", { if: [false, "old", true, "newest", "new"] }, ["targeting.if[3]"]],
    ["as what else there is", { if: [false, "old", "newest"] }, ["targeting.if[2]"]],
    ["in a rule within", { if: [true, { "?:": [true, "newest", "older"] }] }, ["targeting.if[1]"]],
    ["of a share", { fractional: [{ var: "service" }, ["old", 5], ["newest", 95]] }, ["fractional[2][0]"]],
    ["as one of two", { or: [{ in: ["a", "b"] }, "newest"] }, ["targeting.or[1]"]],
    ["in the end", { and: ["anything", "newest"] }, ["targeting.and[1]"]],
    ["by itself", "newest", ["targeting"]],
    ["in a shared rule, once", { if: [true, { $ref: "s" }, { $ref: "s" }] }, ["$evaluators"]],
  ])("refuses a rule that names what is no variant: %s", (_name, targeting, paths) => {
    const shipped = { state: "ENABLED", variants: { old: "phase1", new: "phase2" }, defaultVariant: "new" };
    const flags = { [VERSION_FLAG]: { ...shipped, targeting } };
    const $evaluators = { s: { if: [true, "newest"] }, loop: { if: [true, { $ref: "loop" }] } };
    const { report } = compile(withFiles({ "flags.json": JSON.stringify({ flags, $evaluators }, null, 1) }));
    const found = report.findings.filter(
      ({ rule, message }) => rule === "flags.targeting" && /newest/.test(message),
    );
    expect(found.map(({ path }) => path)).toEqual(paths.map((path) => expect.stringContaining(path)));
    for (const { line, severity } of found) expect([line > 1, severity]).toEqual([true, "FAIL"]);
  });

  it.each<[string, unknown]>([
    ["texts that are compared", { if: [{ "===": ["newest", { var: "service" }] }, "old", null] }],
    ["texts that a rule makes one of", { cat: ["ne", "w"] }],
    ["what the caller is asked for", { var: "service" }],
    ["a text that is only a condition", { and: ["anything", "old"] }],
    ["a rule that refers to itself", { $ref: "loop" }],
  ])("takes a rule with %s", (_name, targeting) => {
    const shipped = { state: "ENABLED", variants: { old: "phase1", new: "phase2" }, defaultVariant: "new" };
    const $evaluators = { loop: { if: [true, { $ref: "loop" }] } };
    const json = JSON.stringify({ flags: { [VERSION_FLAG]: { ...shipped, targeting } }, $evaluators });
    const { report } = compile(withFiles({ "flags.json": json }));
    expect(report.findings.filter(({ rule }) => rule === "flags.targeting")).toEqual([]);
  });

  it("gives the default when a rule cannot be evaluated", () => {
    expect(chooser({ targeting: { no_such_operation: [1] } })("data-bridge")).toBe("phase2");
  });

  it("rolls a version out to a share of the services, each of which keeps its version", () => {
    const choose = chooser({
      targeting: {
        fractional: [
          ["old", 25],
          ["new", 75],
        ],
      },
    });
    const services = Array.from({ length: 2_000 }, (_, index) => `service-${index}`);
    const first = services.map((service) => choose(service));
    expect(services.map((service) => choose(service))).toEqual(first);
    const share = first.filter((version) => version === "phase1").length / services.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.3);
  });

  it("rolls a version out to a share of a service's instances where these have names", () => {
    const choose = chooser({
      targeting: {
        fractional: [
          ["old", 50],
          ["new", 50],
        ],
      },
    });
    const versions = Array.from({ length: 100 }, (_, index) => choose("data-bridge", `host-${index}`));
    expect(new Set(versions)).toEqual(new Set(["phase1", "phase2"]));
  });

  it("may name the service itself as the one to be told apart by", () => {
    const fractional = [{ var: "service" }, ["old", 50], ["new", 50]];
    const choose = chooser({ targeting: { fractional } });
    const versions = Array.from({ length: 20 }, (_, index) => choose("data-bridge", `host-${index}`));
    expect(new Set(versions).size).toBe(1);
  });

  it("may use rules that the file shares", () => {
    const json = JSON.stringify({
      $evaluators: { movers: { in: [{ var: "service" }, ["data-bridge"]] } },
      flags: {
        [VERSION_FLAG]: {
          state: "ENABLED",
          variants: { old: "phase1", new: "phase2" },
          defaultVariant: "old",
          targeting: { if: [{ $ref: "movers" }, "new", null] },
        },
      },
    });
    const { chooseVersion } = compiled(withFiles({ "flags.json": json }));
    expect([chooseVersion("data-bridge"), chooseVersion("live-collector")]).toEqual(["phase2", "phase1"]);
  });

  it("may stand in a file that starts with a byte order mark", () => {
    expect(chooser({}, (json) => `\uFEFF${json}`)("data-bridge")).toBe("phase2");
  });

  it.each(["__proto__", "constructor", "toString"])("gives a service called %s the default", (service) => {
    expect(chooser(only("data-bridge", "old"))(service)).toBe("phase2");
    expect(chooser(only(service, "old"))(service)).toBe("phase1");
  });

  it("is the shipped one's choice of phase1 for historical-loader alone", () => {
    const { chooseVersion, documents } = compiled(SHIPPED);
    const services = Object.keys(documents.infrastructure?.message.services ?? {});
    expect(services.filter((service) => chooseVersion(service) !== "phase2")).toEqual(["historical-loader"]);
  });
});
