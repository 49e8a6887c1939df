import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import {
  isAlias,
  isCollection,
  isPair,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
  type Document as YamlDocument,
} from "yaml";
import { formatPath, type Path, type Report } from "./findings.ts";

/** A document's text, read as plain values, which still knows the line of each. */
export interface ParsedText {
  readonly file: string;
  readonly value: unknown;
  /** Whether the text is free of faults of syntax; of one that is not, the value may lack what the text says. */
  readonly isWhole: boolean;
  /** Line of the value at a path, from 1; of its nearest parent when there is none. */
  lineOf(path: Path): number;
}

/** How deep lists and objects may stand within each other. Parsers run out of stack at some thousands. */
const MAX_DEPTH = 200;

/**
 * Reads a document: strict JSON when the name ends in .json, YAML 1.2 otherwise. Faults of the text (syntax,
 * a key given twice) go to the report; undefined when no value could be made of it.
 */
export function parseText(file: string, text: string, report: Report): ParsedText | undefined {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  return file.endsWith(".json") ? parseJson(file, source, report) : parseYaml(file, source, report);
}

function syntaxFault(report: Report, file: string, line: number, message: string): void {
  report.add({
    severity: "FAIL",
    rule: "document.syntax",
    file,
    path: "",
    line,
    message,
    remedy: file.endsWith(".json") ? "make the file valid JSON" : "make the file valid YAML 1.2",
  });
}

function duplicateFault(report: Report, file: string, line: number, path: string): void {
  report.add({
    severity: "FAIL",
    rule: "document.duplicate_key",
    file,
    path,
    line,
    message: "the key is given twice",
    remedy: "keep one of the two",
  });
}

function parseJson(file: string, text: string, report: Report): ParsedText | undefined {
  if (text.trim() === "") {
    syntaxFault(report, file, 1, "the file is empty");
    return undefined;
  }
  const { tooDeepAt, keys } = shapeOf(text);
  if (tooDeepAt !== undefined) {
    syntaxFault(
      report,
      file,
      lineAt(lineStarts(text), tooDeepAt),
      `nested more than ${MAX_DEPTH} levels deep`,
    );
    return undefined;
  }
  const sound = soundJson(text, keys);
  if (sound) return { file, value: sound.value, isWhole: true, lineOf: lineIn(text) };
  const lines = lineStarts(text);
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, STRICT);
  let last = 0;
  for (const error of errors) {
    const line = lineAt(lines, error.offset);
    // What follows on the same line is most often the same mistake.
    if (line === last) continue;
    last = line;
    const message = printParseErrorCode(error.error).replace(/([a-z])([A-Z])/g, "$1 $2");
    syntaxFault(report, file, line, `not valid JSON: ${message.toLowerCase()}`);
  }
  if (root === undefined) return undefined;
  const value = jsonValue(root, [], (path, node) =>
    duplicateFault(report, file, lineAt(lines, node.offset), formatPath(path)),
  );
  return { file, value, isWhole: errors.length === 0, lineOf: lineIn(text) };
}

const STRICT = { disallowComments: true, allowTrailingComma: false };

// A tree of a large text takes many times its memory, and lines are asked for only where something is at fault.
function lineIn(text: string): (path: Path) => number {
  let read: { readonly root: Node | undefined; readonly lines: readonly number[] } | undefined;
  return (path) => {
    read ??= { root: parseTree(text, [], STRICT), lines: lineStarts(text) };
    const { root, lines } = read;
    for (let depth = path.length; root && depth >= 0; depth--) {
      const node = findNodeAtLocation(root, path.slice(0, depth));
      // A property's value may start on a later line than its key; the key is what a person looks for.
      if (node) return lineAt(lines, (node.parent?.type === "property" ? node.parent : node).offset);
    }
    return 1;
  };
}

// Where JSON nests deeper than it may, if it does, and how many keys it has.
function shapeOf(text: string): { readonly tooDeepAt: number | undefined; readonly keys: number } {
  let depth = 0;
  let keys = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (inString) {
      if (char === BACKSLASH) at++;
      else if (char === QUOTE || char === NEWLINE || char === RETURN) inString = false;
    } else if (char === QUOTE) inString = true;
    else if (char === COLON) keys++;
    else if (char === CLOSE_LIST || char === CLOSE_OBJECT) depth = Math.max(0, depth - 1);
    else if ((char === OPEN_LIST || char === OPEN_OBJECT) && ++depth > MAX_DEPTH)
      return { tooDeepAt: at, keys };
  }
  return { tooDeepAt: undefined, keys };
}

const [QUOTE, BACKSLASH, NEWLINE, RETURN, COLON] = [34, 92, 10, 13, 58];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];

// The value of a text without any fault, by the quickest reader there is; undefined when there may be one.
function soundJson(text: string, keys: number): { readonly value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // Of a key that is given twice only one is left.
    return keysWithoutPrototype(value) === keys ? { value } : undefined;
  } catch {
    return undefined;
  }
}

// Counts the keys of plain values, whose objects become such that have no keys but their own.
function keysWithoutPrototype(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + keysWithoutPrototype(item), 0);
  Object.setPrototypeOf(value, null);
  let keys = 0;
  for (const item of Object.values(value)) keys += 1 + keysWithoutPrototype(item);
  return keys;
}

// Builds plain values, as JSON.parse would, but keeps a key named __proto__ a key.
function jsonValue(node: Node, path: Path, onDuplicate: (path: Path, node: Node) => void): unknown {
  if (node.type === "array") {
    return (node.children ?? []).map((child, index) => jsonValue(child, [...path, index], onDuplicate));
  }
  if (node.type !== "object") return node.value;
  const object: Record<string, unknown> = Object.create(null);
  for (const property of node.children ?? []) {
    const [key, child] = property.children ?? [];
    if (!key || !child) continue;
    const at = [...path, String(key.value)];
    if (Object.hasOwn(object, key.value)) onDuplicate(at, key);
    else object[key.value] = jsonValue(child, at, onDuplicate);
  }
  return object;
}

function parseYaml(file: string, text: string, report: Report): ParsedText | undefined {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, version: "1.2" });
  const fault = (offset: number, message: string): void =>
    syntaxFault(report, file, Math.max(counter.linePos(offset).line, 1), message);
  const broken = document.errors.filter((error) => error.code !== "DUPLICATE_KEY");
  const overflow = broken.find((error) => /call stack|stack overflow/.test(error.message));
  if (overflow) {
    fault(overflow.pos[0], "nested too deeply");
    return undefined;
  }
  for (const error of document.errors) {
    if (error.code === "DUPLICATE_KEY") {
      duplicateFault(report, file, counter.linePos(error.pos[0]).line, "");
    } else fault(error.pos[0], `not valid YAML: ${yamlMessage(error)}`);
  }
  if (broken.length > 0 || !checkAliases(document, fault)) return undefined;
  const value = yamlValue(document, (message) => fault(0, message));
  if (value === undefined) return undefined;
  return { file, value, isWhole: true, lineOf: (path) => yamlLine(document, counter, path) };
}

function yamlMessage(error: YAMLError): string {
  if (error.code === "MULTIPLE_DOCS") return "the file holds more than one document";
  return (error.message.split("\n")[0] ?? "").toLowerCase();
}

// An alias needs an anchor before it, and may not stand within what it names: that value would have no end.
function checkAliases(document: YamlDocument, fault: (offset: number, message: string) => void): boolean {
  const anchors = new Map<string, unknown>();
  let isSound = true;
  visit(document, {
    Node(_key, node, ancestors) {
      if (!isAlias(node)) {
        if (node.anchor) anchors.set(node.anchor, node);
        return;
      }
      const named = anchors.get(node.source);
      if (named !== undefined && !ancestors.some((ancestor) => ancestor === named)) return;
      const problem = named === undefined ? "names no anchor before it" : "stands within what it names";
      fault(node.range?.[0] ?? 0, `the alias *${node.source} ${problem}`);
      isSound = false;
    },
  });
  return isSound;
}

function yamlValue(document: YamlDocument, fault: (message: string) => void): unknown {
  try {
    // An empty file is an empty document: every key has its default.
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    fault(`not readable: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function yamlLine(document: YamlDocument, counter: LineCounter, path: Path): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const step of path) {
    if (!isCollection(node)) break;
    // Of a key that is given twice, the value is the last one's.
    const found = node.items.findLast((item, index) =>
      isPair(item) ? isScalar(item.key) && String(item.key.value) === String(step) : index === step,
    );
    if (found === undefined) break;
    const start = isPair(found) ? found.key : found;
    const range = (start as { range?: [number, number, number] | null }).range;
    if (range) offset = range[0];
    node = isPair(found) ? found.value : found;
  }
  return counter.linePos(offset).line || 1;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function lineAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low + 1;
}
