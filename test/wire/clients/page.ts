// A fetch that does what a browser does for a page of another origin (fetch.spec.whatwg.org, "CORS protocol"): asks
// first when the request is not simple, and keeps from the page what the server does not let it see.

const SIMPLE_REQUEST_HEADERS = ["accept", "accept-language", "content-language"];
const SIMPLE_CONTENT_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
const SIMPLE_RESPONSE_HEADERS = [
  "cache-control",
  "content-language",
  "content-length",
  "content-type",
  "expires",
  "last-modified",
  "pragma",
];

/** The fetch of a page of an origin; rejects with a TypeError, as browsers do, when the server does not let it in. */
export function fetchOfPage(origin: string): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const unusual = [...request.headers.keys()]
      .filter((name) => !isSimple(name, request.headers.get(name) ?? ""))
      .sort();
    if (unusual.length > 0 || !["GET", "HEAD", "POST"].includes(request.method)) {
      await preflight(request, origin, unusual);
    }
    const headers = new Headers(request.headers);
    headers.set("origin", origin);
    const response = await fetch(new Request(request, { headers }));
    letIn(response, origin);
    const seen = [...SIMPLE_RESPONSE_HEADERS, ...list(response.headers, "access-control-expose-headers")];
    const visible = [...response.headers].filter(([name]) => seen.includes(name));
    return new Response(response.body, { status: response.status, headers: visible });
  };
}

async function preflight(request: Request, origin: string, unusual: readonly string[]): Promise<void> {
  const headers: Record<string, string> = { origin, "access-control-request-method": request.method };
  if (unusual.length > 0) headers["access-control-request-headers"] = unusual.join(",");
  const response = await fetch(request.url, { method: "OPTIONS", headers });
  letIn(response, origin);
  if (!response.ok) throw new TypeError(`the preflight was answered with ${response.status}`);
  const methods = list(response.headers, "access-control-allow-methods");
  if (!["get", "head", "post", ...methods].includes(request.method.toLowerCase())) {
    throw new TypeError(`the method ${request.method} is not allowed`);
  }
  const allowed = list(response.headers, "access-control-allow-headers");
  const refused = unusual.filter((name) => !allowed.includes(name));
  if (refused.length > 0) throw new TypeError(`headers are not allowed: ${refused.join(", ")}`);
}

function letIn(response: Response, origin: string): void {
  const allowed = response.headers.get("access-control-allow-origin");
  if (allowed !== "*" && allowed !== origin) throw new TypeError(`the origin ${origin} is not allowed`);
}

function isSimple(name: string, value: string): boolean {
  if (name === "content-type") return SIMPLE_CONTENT_TYPES.includes(value.split(";", 1)[0]?.trim() ?? "");
  return SIMPLE_REQUEST_HEADERS.includes(name);
}

function list(headers: Headers, name: string): string[] {
  return (headers.get(name) ?? "").split(",").map((item) => item.trim().toLowerCase());
}
