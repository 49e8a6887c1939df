/** The headers of a request by their name; HTTP/2's own begin with ":". */
export type RequestHeaders = Readonly<Record<string, string | undefined>>;

/** Of these a request has one, the first. Of the others, values of one name are joined. */
const SINGLE = new Set([
  ...["authorization", "content-encoding", "content-length", "content-type", "date", "from", "host"],
  ...["if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "max-forwards"],
  ...["proxy-authorization", "range", "referer", "user-agent"],
]);
/** What speaks of one connection of HTTP/1.1. RFC 9113, 8.2.2. */
const OF_CONNECTION = new Set([
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"],
]);
const PSEUDO = new Set([":method", ":scheme", ":authority", ":path"]);
const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// RFC 9113, 8.2.1.
const NO_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;

/** The headers of a request; undefined for one that is malformed. RFC 9113, 8.3.1. */
export function headersOfRequest(fields: readonly string[]): RequestHeaders | undefined {
  const headers = fieldsOf(fields, true);
  if (!headers) return undefined;
  const { ":method": method, ":scheme": scheme, ":path": path, ":authority": authority } = headers;
  if (method === undefined) return undefined;
  if (method === "CONNECT") {
    return scheme === undefined && path === undefined && authority ? headers : undefined;
  }
  return scheme && path ? headers : undefined;
}

/** Whether trailers are well-formed: they have nothing of HTTP/2's own. */
export function areTrailers(fields: readonly string[]): boolean {
  return fieldsOf(fields, false) !== undefined;
}

function fieldsOf(fields: readonly string[], mayBePseudo: boolean): Record<string, string> | undefined {
  // Without a prototype, so that nothing that a client names is there already.
  const headers: Record<string, string> = Object.create(null);
  let pseudoIsOver = !mayBePseudo;
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string;
    const value = fields[index + 1] as string;
    const isPseudo = name.startsWith(":");
    if (isPseudo && (pseudoIsOver || !PSEUDO.has(name) || headers[name] !== undefined)) return undefined;
    if (!isPseudo) pseudoIsOver = true;
    if (!NAME.test(name) || NO_VALUE.test(value) || OF_CONNECTION.has(name)) return undefined;
    if (name === "te" && value !== "trailers") return undefined;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (name === "content-length" && before !== value) return undefined;
    else if (!SINGLE.has(name)) headers[name] = `${before}${name === "cookie" ? "; " : ", "}${value}`;
  }
  return headers;
}
