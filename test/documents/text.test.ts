import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { read } from "./read.ts";

const BOM = "\uFEFF";

function nested(open: string, close: string, depth: number): string {
  return `${open.repeat(depth)}1${close.repeat(depth)}`;
}

describe("JSON", () => {
  it.each([
    ["a comment", '{\n  // why\n  "a": 1\n}', 2],
    ["a comment at the end", '{"a": 1}\n/* end */', 2],
    ["a comma at the end of an object", '{\n  "a": 1,\n}', 3],
    ["a comma at the end of a list", '{"a": [\n1,\n]}', 3],
    ["a missing comma", '{"a": 1\n"b": 2}', 2],
    ["a missing bracket", '{"a": [1, 2\n', 2],
    ["a key without quotes", "{\n\n a: 1}", 3],
    ["text in single quotes", "{'a': 1}", 1],
    ["a number with a leading zero", '{"a": 01}', 1],
    ["a word that is none", '{"a": True}', 1],
    ["a line break within text", '{"a": "b\nc"}', 1],
    ["more than one value", '{"a": 1}\n{"b": 2}', 2],
    ["no text at all", "", 1],
    ["white space alone", " \n\t\n", 1],
    ["a byte order mark alone", BOM, 1],
  ])("with %s is a fault of its line", (_what, text, line) => {
    const { findings } = read("a.json", text);
    expect(findings[0]).toMatchObject({
      severity: "FAIL",
      rule: "document.syntax",
      file: "a.json",
      path: "",
      line,
    });
    expect(findings[0]?.remedy).toBe("make the file valid JSON");
  });

  it("that is empty says so", () => {
    expect(read("a.json", "").findings[0]?.message).toBe("the file is empty");
  });

  it("is read strictly: no other text than JSON.parse takes, and to the same values", () => {
    const jsonish = fc.oneof(
      fc.json(),
      fc
        .tuple(
          fc.json(),
          fc.nat(),
          fc.constantFrom(",", "}", "]", '"', "//", "1", " ", "\u00a0", "\\", "-", "."),
        )
        .map(([text, at, piece]) => {
          const place = at % (text.length + 1);
          return text.slice(0, place) + piece + text.slice(place);
        }),
      fc.tuple(fc.json(), fc.nat()).map(([text, at]) => text.slice(0, at % (text.length + 1))),
    );
    fc.assert(
      fc.property(jsonish, (text) => {
        const { parsed, short } = read("a.json", text);
        let value: unknown;
        try {
          value = JSON.parse(text);
        } catch {
          expect(short).not.toEqual([]);
          return;
        }
        expect(short.filter((found) => !found.includes("duplicate_key"))).toEqual([]);
        if (short.length === 0) expect(JSON.stringify(parsed?.value)).toBe(JSON.stringify(value));
      }),
      { numRuns: 3_000 },
    );
  });

  it("with a key given twice is a fault at the second one, and the first one's value is kept", () => {
    const { parsed, short } = read("a.json", '{\n"a": {\n"b": 1,\n"c": 2,\n"b": 3\n}}');
    expect(short).toEqual(["5 document.duplicate_key a.b"]);
    expect(parsed?.value).toEqual({ a: { b: 1, c: 2 } });
    expect(parsed?.lineOf(["a", "b"])).toBe(3);
  });

  it("may start with a byte order mark", () => {
    const { parsed, short } = read("a.json", `${BOM}{\n"a": 1}`);
    expect(short).toEqual([]);
    expect(parsed?.value).toEqual({ a: 1 });
    expect(parsed?.lineOf(["a"])).toBe(2);
  });

  it("gives whatever JSON says, by quick ways too, and a key given twice anywhere in it is found", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.integer({ min: 0, max: 4 }),
        (value, indent) => {
          const text = JSON.stringify(value, undefined, indent);
          const { parsed, short } = read("a.json", text);
          expect(short).toEqual([]);
          expect(JSON.stringify(parsed?.value)).toBe(JSON.stringify(JSON.parse(text)));
          const twice = read("a.json", `{"x": ${text}, "y": [{"k": 1, "k": 1}]}`);
          expect(twice.short).toEqual([expect.stringContaining("document.duplicate_key y[0].k")]);
        },
      ),
    );
  });

  it("keeps a key called __proto__ a key", () => {
    const { parsed, short } = read(
      "a.json",
      '{"__proto__": {"polluted": true}, "a": {"__proto__": 1, "__proto__": 2}}',
    );
    expect(short).toEqual(["1 document.duplicate_key a.__proto__"]);
    expect(Object.keys(Object(parsed?.value))).toEqual(["__proto__", "a"]);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it.each([
    ["lists", nested("[", "]", 10_000)],
    ["objects", nested('{"a":', "}", 10_000)],
    ["lists that never end", "[".repeat(100_000)],
    ["lists behind as many ends", `${"]".repeat(100_000)}${"[".repeat(100_000)}`],
    ["lists behind text that does not end", `"\r${"[".repeat(100_000)}`],
  ])("with ten thousand %s within each other is a fault, not a crash", (_what, text) => {
    expect(read("a.json", `\n${text}`).short).toEqual(["2 document.syntax"]);
  });

  it("may be as deep as a document needs, and may hold any number of brackets in text", () => {
    expect(read("a.json", nested('{"a":', "}", 100)).short).toEqual([]);
    expect(read("a.json", JSON.stringify({ a: `"${"[{".repeat(1_000)}\\`, b: 1 })).short).toEqual([]);
  });
});

describe("YAML", () => {
  it.each([
    ["a bracket that is not closed", "a: 1\nb: [1, 2\nc: 3\n", 3],
    ["a tab as indentation", "a:\n\tb: 1\n", 2],
    ["a line that fits nowhere", "a:\n  b: 1\n c: 2\n", 3],
    ["quotes that are not closed", 'a: 1\nb: "x\n', 3],
    ["a second document", "a: 1\n---\nb: 2\n", 2],
    ["an alias without an anchor", "a: 1\nb:\n  c: *d\n", 3],
    ["an alias before its anchor", "a: *d\nb: &d 1\n", 1],
    ["an alias within what it names", "a: &a\n  b: 1\n  c: [*a]\n", 3],
  ])("with %s is a fault of its line", (_what, text, line) => {
    const { parsed, findings } = read("a.yaml", text);
    expect(parsed).toBeUndefined();
    expect(findings).toEqual([expect.objectContaining({ severity: "FAIL", rule: "document.syntax", line })]);
    expect(findings[0]?.remedy).toBe("make the file valid YAML 1.2");
  });

  it("with a key given twice is a fault at the second one", () => {
    const { short, parsed } = read("a.yaml", "a:\n  b: 1\n  c: 2\n  b: 3\n");
    expect(short).toEqual(["4 document.duplicate_key"]);
    expect(parsed?.lineOf(["a", "b"])).toBe(4);
  });

  it.each(["", "# nothing yet\n", "---\n", BOM])(
    "without content, as %j, is an object without keys",
    (text) => {
      const { parsed, short } = read("a.yaml", text);
      expect(short).toEqual([]);
      expect(parsed?.value).toEqual({});
      expect(parsed?.lineOf(["a", "b"])).toBe(1);
    },
  );

  it("whose aliases multiply without end is a fault, at once", () => {
    const names = [..."abcdefghij"];
    const lines = names.map((name, index) => {
      const items = Array.from({ length: 10 }, () => (index === 0 ? "x" : `*${names[index - 1]}`));
      return `${name}: &${name} [${items.join(", ")}]`;
    });
    const { parsed, findings } = read("a.yaml", lines.join("\n"));
    expect(parsed).toBeUndefined();
    expect(findings).toEqual([expect.objectContaining({ rule: "document.syntax" })]);
    expect(findings[0]?.message).toContain("alias");
  });

  it.each([
    ["lists", nested("[", "]", 10_000)],
    ["objects", nested("{a: ", "}", 10_000)],
    ["lines", Array.from({ length: 3_000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n")],
  ])("with thousands of %s within each other is one fault, not a crash", (_what, text) => {
    const { parsed, findings } = read("a.yaml", text);
    expect(parsed).toBeUndefined();
    expect(findings).toEqual([
      expect.objectContaining({ rule: "document.syntax", message: "nested too deeply" }),
    ]);
  });

  it("may use anchors, in a value that stands twice", () => {
    expect(read("a.yaml", "a: &x [1]\nb: *x\nc: *x\n").parsed?.value).toEqual({ a: [1], b: [1], c: [1] });
  });

  it("is of version 1.2: no is a word, and 010 is ten", () => {
    expect(read("a.yaml", "a: no\nb: 010\nc: 12:30\n").parsed?.value).toEqual({ a: "no", b: 10, c: "12:30" });
  });

  it("keeps a key called __proto__ a key", () => {
    const { parsed } = read("a.yaml", "__proto__:\n  polluted: true\n");
    expect(Object.keys(Object(parsed?.value))).toEqual(["__proto__"]);
  });
});

describe("the line of a value", () => {
  const JSON_TEXT = `{
  "a": {
    "b.c":
      [
        1,
        { "d": 2 }
      ],
    "e": { "f": [
      "g"
    ] }
  }
}`;
  const YAML_TEXT = `# first
a:
  b.c:
    - 1
    - d: 2
      x: 3
  e: {f: [
    g
    ]}
`;
  it.each([
    [[], 1, 1],
    [["a"], 2, 2],
    [["a", "b.c"], 3, 3],
    [["a", "b.c", 0], 5, 4],
    [["a", "b.c", 1], 6, 5],
    [["a", "b.c", 1, "d"], 6, 5],
    [["a", "e"], 8, 7],
    [["a", "e", "f", 0], 9, 8],
  ] as const)("at %j is that of its key, or of the item", (path, inJson, inYaml) => {
    expect(read("a.json", JSON_TEXT).parsed?.lineOf(path)).toBe(inJson);
    expect(read("a.yaml", YAML_TEXT).parsed?.lineOf(path)).toBe(inYaml);
  });

  it.each([
    [["a", "b.c", 1, "nothing", "more"], 6, 5],
    [["a", "b.c", 7], 3, 3],
    [["a", "nothing"], 2, 2],
  ] as const)("that is not there, %j, is that of what should hold it", (path, inJson, inYaml) => {
    expect(read("a.json", JSON_TEXT).parsed?.lineOf(path)).toBe(inJson);
    expect(read("a.yaml", YAML_TEXT).parsed?.lineOf(path)).toBe(inYaml);
  });

  it("is right in files with the line ends of Windows", () => {
    expect(read("a.json", '{\r\n"a":\r\n1,\r\n"b": 2}').parsed?.lineOf(["b"])).toBe(4);
    expect(read("a.yaml", "a:\r\n  - 1\r\n  - 2\r\n").parsed?.lineOf(["a", 1])).toBe(3);
  });

  it("is found for every value of a document of any form", () => {
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 3 },
        fc.integer(),
        fc.string(),
        fc.array(tie("node"), { maxLength: 3 }),
        fc.dictionary(fc.string({ minLength: 1 }), tie("node"), { maxKeys: 3 }),
      ),
    })).node;
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), value, { maxKeys: 3 }), (root) => {
        // Written by JSON.stringify, every key and item starts a line of its own, in the order of this walk.
        const text = JSON.stringify(root, null, 1);
        const { parsed } = read("a.json", text);
        let line = 1;
        const walk = (node: unknown, path: (string | number)[]): void => {
          expect(parsed?.lineOf(path)).toBe(line);
          if (typeof node !== "object" || node === null) return;
          const entries = Object.entries(node);
          for (const [key, item] of entries) {
            line++;
            walk(item, [...path, Array.isArray(node) ? Number(key) : key]);
          }
          if (entries.length > 0) line++;
        };
        walk(root, []);
      }),
    );
  });
});
