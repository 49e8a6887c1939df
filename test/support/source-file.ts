import { posix } from "node:path";
import { parseAst } from "vitest/node";

/** One place where a file names another: an import, a re-export, an import() or a worker's URL. */
export interface Reference {
  /** As written; undefined when it is computed. */
  readonly target: string | undefined;
  readonly line: number;
  readonly typesOnly: boolean;
  /** What is taken, by its name in the target; "*" for everything. */
  readonly names: readonly string[];
}

/** What the rules look at in a file. */
export interface SourceFile {
  readonly path: string;
  readonly lines: number;
  readonly references: readonly Reference[];
  /** Lines that read process.env. */
  readonly environmentReads: readonly number[];
  /** An index.ts that holds nothing but re-exports. */
  readonly isBarrel: boolean;
}

/** A node of the ESTree that parseAst makes, as far as this file looks into it. */
interface Node {
  readonly type: string;
  readonly start: number;
  // biome-ignore lint/suspicious/noExplicitAny: a syntax tree is walked by shape, whatever the node
  readonly [key: string]: any;
}

/** Reads a file with a real parser, so that comments and strings are never taken for code. */
export function readSource(path: string, text: string): SourceFile {
  const program = parseAst(text, { lang: path.endsWith("x") ? "tsx" : "ts" }, path) as unknown as Node;
  const references: Reference[] = [];
  const environmentReads: number[] = [];
  for (const node of everyNode(program)) {
    const line = text.slice(0, node.start).split("\n").length;
    const reference = referenceOf(node);
    if (reference) references.push({ ...reference, line });
    if (readsEnvironment(node)) environmentReads.push(line);
  }
  const isBarrel = posix.basename(path) === "index.ts" && program.body.every(isPassedOn);
  return { path, lines: text.replace(/\n$/, "").split("\n").length, references, environmentReads, isBarrel };
}

function* everyNode(node: Node): Generator<Node> {
  yield node;
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === "string") yield* everyNode(child);
    }
  }
}

function referenceOf(node: Node): Omit<Reference, "line"> | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration": {
      if (!node.source) return undefined;
      const specifiers: Node[] = node.specifiers;
      const kind = node.type === "ImportDeclaration" ? "importKind" : "exportKind";
      const typesOnly =
        node[kind] === "type" || (specifiers.length > 0 && specifiers.every((s) => s[kind] === "type"));
      return { target: node.source.value, typesOnly, names: specifiers.map(takenName) };
    }
    case "ExportAllDeclaration":
      return { target: node.source.value, typesOnly: node.exportKind === "type", names: ["*"] };
    case "ImportExpression":
      return { target: node.source.value, typesOnly: false, names: ["*"] };
    case "TSImportType":
      return { target: node.source.value, typesOnly: true, names: [node.qualifier?.name ?? "*"] };
    case "NewExpression": {
      // new Worker(new URL("./worker.ts", import.meta.url))
      const [target, base] = node.arguments;
      const isOurs = node.callee.name === "URL" && /^\..*\.tsx?$/.test(String(target?.value)) && base;
      return isOurs ? { target: target.value, typesOnly: false, names: ["*"] } : undefined;
    }
    default:
      return undefined;
  }
}

function takenName(specifier: Node): string {
  if (specifier.type === "ImportDefaultSpecifier") return "default";
  if (specifier.type === "ImportNamespaceSpecifier") return "*";
  const name: Node = specifier.type === "ImportSpecifier" ? specifier.imported : specifier.local;
  return name.name ?? name.value;
}

/** process.env, globalThis.process.env, const { env } = process, import { env } from "node:process". */
function readsEnvironment(node: Node): boolean {
  const isNamed = (expression: Node | null | undefined, name: string) =>
    (expression?.name ?? expression?.value) === name;
  const isProcess = (expression: Node | null | undefined) =>
    isNamed(expression, "process") || isNamed(expression?.property, "process");
  switch (node.type) {
    case "MemberExpression":
      return isNamed(node.property, "env") && isProcess(node.object);
    case "VariableDeclarator":
      return isProcess(node.init) && takesEnvironment(node.id);
    case "ImportDeclaration":
      return /^(node:)?process$/.test(node.source.value) && node.specifiers.map(takenName).includes("env");
    default:
      return false;
  }
  function takesEnvironment(pattern: Node): boolean {
    const properties: Node[] = pattern.properties ?? [];
    return properties.some((property) => property.type === "RestElement" || isNamed(property.key, "env"));
  }
}

function isPassedOn(statement: Node): boolean {
  if (statement.type === "ExportNamedDeclaration") return !statement.declaration;
  return statement.type === "ExportAllDeclaration" || statement.type === "ImportDeclaration";
}
