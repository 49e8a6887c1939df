// The algebra of NATS subjects: tokens between dots, "*" for one token, ">" for one or more at the end.

const PLACEHOLDER = /^\{([a-z][a-z0-9_]*)\}$/;

/** Says why a subject, wildcards allowed, is not one that NATS takes; undefined when it is. */
export function subjectFault(subject: string): string | undefined {
  const tokens = subject.split(".");
  for (const [index, token] of tokens.entries()) {
    if (token === "") return "has an empty token";
    if (/[\s\0]/.test(token)) return "holds white space";
    if (/\p{Cc}/u.test(token)) return "holds a control character";
    if (token === ">" && index < tokens.length - 1) return 'has ">" before its last token';
    if (token.length > 1 && /[*>]/.test(token)) return `has a wildcard within the token "${token}"`;
  }
  return undefined;
}

/** Whether a subject holds a wildcard. */
export function hasWildcard(subject: string): boolean {
  return subject.split(".").some((token) => token === "*" || token === ">");
}

/** Whether every subject that `inner` stands for is one that `outer` stands for. */
export function contains(outer: string, inner: string): boolean {
  const a = outer.split(".");
  const b = inner.split(".");
  for (const [index, token] of a.entries()) {
    const other = b[index];
    if (other === undefined) return false;
    if (token === ">") return true;
    if (other === ">" || (token !== "*" && token !== other)) return false;
  }
  return a.length === b.length;
}

/** Whether some subject is one that both stand for. */
export function overlaps(first: string, second: string): boolean {
  const a = first.split(".");
  const b = second.split(".");
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index++) {
    const [x, y] = [a[index], b[index]];
    if (x === ">" || y === ">") return true;
    if (x !== y && x !== "*" && y !== "*") return false;
  }
  return a.length === b.length;
}

/** The name in a token such as "{symbol}"; undefined for any other token. */
export function placeholderIn(token: string): string | undefined {
  return PLACEHOLDER.exec(token)?.[1];
}

/** Says why a pattern with placeholders is malformed; undefined when it is not. */
export function patternFault(pattern: string): string | undefined {
  const fault = subjectFault(pattern);
  if (fault) return fault;
  if (hasWildcard(pattern)) return "holds a wildcard; a pattern names its variable tokens, such as {symbol}";
  const broken = pattern.split(".").find((token) => /[{}]/.test(token) && placeholderIn(token) === undefined);
  if (broken) return `has the token "${broken}"; a placeholder is a whole token, such as {symbol}`;
  return undefined;
}

/** The NATS subject that stands for every subject of a pattern: "market.{symbol}.tick" is "market.*.tick". */
export function wildcardOf(pattern: string): string {
  return pattern
    .split(".")
    .map((token) => (placeholderIn(token) === undefined ? token : "*"))
    .join(".");
}

/** The tokens that a placeholder may stand for. */
export interface TokenSet {
  /** The only tokens allowed; empty: any. */
  readonly values: readonly string[];
  /** Tokens that are not allowed. */
  readonly reserved: readonly string[];
}

const ANY: TokenSet = { values: [], reserved: [] };

/** Whether a token may stand where the set's placeholder is. */
export function admits(set: TokenSet, token: string): boolean {
  return (set.values.length === 0 || set.values.includes(token)) && !set.reserved.includes(token);
}

function tokenSet(token: string, sets: ReadonlyMap<string, TokenSet>): TokenSet {
  const name = placeholderIn(token);
  return name === undefined ? { values: [token], reserved: [] } : (sets.get(name) ?? ANY);
}

/** Whether a subject without wildcards is one of a pattern's. */
export function matchesPattern(
  pattern: string,
  subject: string,
  sets: ReadonlyMap<string, TokenSet>,
): boolean {
  const a = pattern.split(".");
  const b = subject.split(".");
  return a.length === b.length && a.every((token, index) => admits(tokenSet(token, sets), b[index] ?? ""));
}

/** Whether some subject is one of both patterns'. */
export function patternsCollide(first: string, second: string, sets: ReadonlyMap<string, TokenSet>): boolean {
  const a = first.split(".");
  const b = second.split(".");
  return (
    a.length === b.length && a.every((token, i) => meet(tokenSet(token, sets), tokenSet(b[i] ?? "", sets)))
  );
}

function meet(a: TokenSet, b: TokenSet): boolean {
  if (a.values.length > 0) return a.values.some((value) => admits(a, value) && admits(b, value));
  if (b.values.length > 0) return b.values.some((value) => admits(a, value) && admits(b, value));
  return true;
}
