// Checks a tree of sources against the rules of the house. Pure: a map of path to text goes in, violations come
// out, so that test/architecture.test.ts can show it both the real tree and made-up ones.
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { type Reference, readSource, type SourceFile } from "./source-file.ts";

/** What one room may import besides its own files and its drivers. */
export interface Room {
  /** Rooms ("config"), files ("client/client.ts") or a family ("adapters/*"), by their path under src/. */
  readonly rooms: readonly string[];
  /** Rooms of which it may import types only. */
  readonly typesOf?: readonly string[];
  /** Generated code: nothing of it, messages and options but no service descriptor, or all of it. */
  readonly gen: "none" | "messages" | "all";
  /** Node's own modules: none, those without I/O, or any. */
  readonly builtins: "none" | "pure" | "any";
  /** npm packages by name or "@scope/*"; "any" is any but another room's driver. */
  readonly packages: readonly string[] | "any";
  /** Packages that no other room may import. */
  readonly drivers?: readonly string[];
}

/** The rules of the house, as data. */
export interface House {
  readonly rooms: Readonly<Record<string, Room>>;
  /** Node's modules that do no I/O, without the "node:". */
  readonly pureBuiltins: readonly string[];
  /** Files from which every other must be reachable. */
  readonly doors: readonly string[];
  /** The only room that reads process.env. */
  readonly environmentReader: string;
  /** Names that no directory may have. */
  readonly bannedDirectories: readonly string[];
  readonly linesMax: number;
  /** Files that may be longer, each with the reason. */
  readonly longFiles: Readonly<Record<string, string>>;
}

/** Path from the repository's root to text: src/, gen/ and ARCHITECTURE.md. */
export type Tree = ReadonlyMap<string, string>;

/** Every breach of the rules, one sentence each, in the order of the files; empty when the house is in order. */
export function violations(tree: Tree, house: House): string[] {
  const files = new Map<string, SourceFile>();
  for (const path of [...tree.keys()].sort()) {
    if (/^src\/.*\.tsx?$/.test(path)) files.set(path, readSource(path, tree.get(path) ?? ""));
  }
  const services = servicesOf(tree);
  const found: string[] = [];
  for (const file of files.values()) {
    for (const reference of file.references) {
      const fault = importFault(file, reference, house, services);
      if (fault) found.push(`${file.path}:${reference.line}: ${fault}`);
    }
    if (roomOf(file.path) !== house.environmentReader) {
      for (const line of file.environmentReads) {
        found.push(`${file.path}:${line}: only ${house.environmentReader} reads process.env`);
      }
    }
    if (file.isBarrel) found.push(`${file.path}: a barrel; import the files that own the things`);
    found.push(...sizeFaults(file, house));
  }
  found.push(...directoryFaults(files, house), ...documentFaults(files, tree));
  found.push(...reachFaults(files, house));
  for (const path of Object.keys(house.longFiles)) {
    if (!files.has(path)) found.push(`${path}: listed as a long file but does not exist`);
  }
  return found;
}

/** The room that a path belongs to: its first segment under src/, two for adapters; a file may be a room. */
function roomOf(path: string): string {
  const [, first = "", second = ""] = path.split("/");
  return first === "adapters" ? `${first}/${second}` : first;
}

function importFault(
  file: SourceFile,
  reference: Reference,
  house: House,
  services: ReadonlyMap<string, ReadonlySet<string>>,
): string | undefined {
  const name = roomOf(file.path);
  const room = house.rooms[name];
  if (!room) return undefined; // directoryFaults says it once
  const { target } = reference;
  if (target === undefined) return "import() of a computed name cannot be checked; write the name out";
  if (!target.startsWith(".")) {
    return isBuiltin(target)
      ? builtinFault(name, room, target, house)
      : packageFault(name, room, target, house);
  }
  const path = posix.join(posix.dirname(file.path), target);
  if (path.startsWith("gen/")) return genFault(name, room, reference, path, services);
  if (path === "package.json") return undefined;
  if (!path.startsWith("src/")) return `imports ${path}, which is outside src/ and gen/`;
  return roomFault(name, room, reference, path);
}

function roomFault(name: string, room: Room, reference: Reference, path: string): string | undefined {
  const other = roomOf(path);
  if (other === name) return undefined;
  const isOneOf = (list: readonly string[]) =>
    list.some((entry) => matches(entry, other) || `src/${entry}` === path);
  if (isOneOf(room.rooms)) return undefined;
  if (isOneOf(room.typesOf ?? [])) {
    return reference.typesOnly ? undefined : `${name} may import types only from ${other} (${path})`;
  }
  return `${name} may not import ${other} (${path})`;
}

function genFault(
  name: string,
  room: Room,
  reference: Reference,
  path: string,
  services: ReadonlyMap<string, ReadonlySet<string>>,
): string | undefined {
  if (room.gen === "all") return undefined;
  if (room.gen === "none") return `${name} may not import gen (${path})`;
  const declared = services.get(path);
  if (!declared) return undefined;
  const taken = reference.names.filter((imported) => imported === "*" || declared.has(imported));
  if (taken.length === 0) return undefined;
  return `${name} may not import a service descriptor (${taken.join(", ")} of ${path})`;
}

function builtinFault(name: string, room: Room, target: string, house: House): string | undefined {
  if (room.builtins === "any") return undefined;
  const [module = ""] = target.replace(/^node:/, "").split("/");
  if (room.builtins === "pure" && house.pureBuiltins.includes(module)) return undefined;
  return `${name} may not import ${target}`;
}

function packageFault(name: string, room: Room, target: string, house: House): string | undefined {
  const [first = "", second = ""] = target.split("/");
  const packageName = first.startsWith("@") ? `${first}/${second}` : first;
  const owner = Object.entries(house.rooms).find(([, { drivers = [] }]) =>
    isListed(drivers, packageName),
  )?.[0];
  if (owner === name) return undefined;
  if (owner) return `${name} may not import ${packageName}, the driver of ${owner}`;
  if (room.packages === "any" || isListed(room.packages, packageName)) return undefined;
  return `${name} may not import the package ${packageName}`;
}

function isListed(patterns: readonly string[], value: string): boolean {
  return patterns.some((pattern) => matches(pattern, value));
}

function matches(pattern: string, value: string): boolean {
  return pattern.endsWith("*") ? value.startsWith(pattern.slice(0, -1)) : value === pattern;
}

function sizeFaults(file: SourceFile, house: House): string[] {
  const isListedLong = Object.hasOwn(house.longFiles, file.path);
  const isLong = file.lines > house.linesMax;
  if (isLong && !isListedLong)
    return [`${file.path}: ${file.lines} lines; over ${house.linesMax} it is two files`];
  if (!isLong && isListedLong) return [`${file.path}: listed as a long file but has ${file.lines} lines`];
  return [];
}

function directoryFaults(files: ReadonlyMap<string, SourceFile>, house: House): string[] {
  const found = new Set<string>();
  for (const path of files.keys()) {
    const directories = path.split("/").slice(0, -1);
    const banned = directories.findIndex((directory) => house.bannedDirectories.includes(directory));
    if (banned >= 0)
      found.add(`${directories.slice(0, banned + 1).join("/")}/: no directory bears this name`);
    else if (!house.rooms[roomOf(path)]) found.add(`src/${roomOf(path)}: a room without a row in the table`);
  }
  return [...found];
}

function documentFaults(files: ReadonlyMap<string, SourceFile>, tree: Tree): string[] {
  const document = tree.get("ARCHITECTURE.md");
  if (document === undefined) return ["ARCHITECTURE.md: does not exist"];
  const paths = [...files.keys()].map((path) => path.split("/")).filter((segments) => segments.length > 2);
  const rooms = new Set(paths.map(([, room]) => `src/${room}/`));
  return [...rooms]
    .filter((room) => !document.includes(`\`${room}\``))
    .map((room) => `ARCHITECTURE.md: has no line on \`${room}\``);
}

function reachFaults(files: ReadonlyMap<string, SourceFile>, house: House): string[] {
  const reached = new Set<string>();
  const open = [...house.doors];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const file = files.get(path);
    if (!file || reached.has(path)) continue;
    reached.add(path);
    for (const { target } of file.references) {
      if (target?.startsWith(".")) open.push(posix.join(posix.dirname(path), target));
    }
  }
  return [...files.keys()]
    .filter((path) => !reached.has(path))
    .map((path) => `${path}: not reachable from ${house.doors.join(" or ")}`);
}

/** The names of the service descriptors that each generated file exports. */
function servicesOf(tree: Tree): Map<string, Set<string>> {
  const services = new Map<string, Set<string>>();
  for (const [path, text] of tree) {
    if (!path.startsWith("gen/")) continue;
    const names = [...text.matchAll(/^export const (\w+): GenService\b/gm)].map(([, name = ""]) => name);
    if (names.length > 0) services.set(path, new Set(names));
  }
  return services;
}
