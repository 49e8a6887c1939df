import type { ConfigManager } from "../config/config-manager.ts";
import type { UserData } from "../data/user-data.ts";
import { HubError, type Reason, requestTooLarge, unknownName } from "../errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { etagOf, type HotAnswers, matches } from "./hot-answers.ts";
import { admit, type IdentityGate } from "./identity.ts";
import type { Request, Response } from "./listener.ts";
import { bodyOf } from "./request-body.ts";
import { requestIdOf } from "./request-id.ts";
import type { RestRoute } from "./rest-routes.ts";
import { USER_PATHS, type UserRoute, userRoute } from "./rest-user-routes.ts";

/** What the REST face needs. */
export interface RestOptions {
  /** By their path; those of users' paths are found by it. */
  readonly routes: ReadonlyMap<string, RestRoute>;
  readonly config: Pick<ConfigManager, "snapshot">;
  /** Undefined where somebody else answers for users' paths. */
  readonly userData: UserData | undefined;
  readonly gate: IdentityGate;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Where answers are kept that depend on the snapshot alone. */
  readonly hot: HotAnswers;
  /** Headers for every answer, such as how old the configuration is while the log is out of reach. */
  readonly extraHeaders: () => Readonly<Record<string, string>>;
  /** Bytes of a body at most. */
  readonly readMaxBytes: number;
  /** Time that a call may take, in milliseconds. */
  readonly unaryDeadlineMs: number;
}

/** The one table from what is wrong to the HTTP status of a REST answer. */
export const STATUS_OF: Readonly<Record<Reason, number>> = {
  INVALID_REQUEST: 400,
  INVALID_SUBJECT: 400,
  REQUEST_TOO_LARGE: 413,
  UNKNOWN_DOMAIN: 404,
  UNKNOWN_SYSTEM: 404,
  UNKNOWN_VERSION: 404,
  UNKNOWN_SERVICE: 404,
  UNKNOWN_ROUTE: 404,
  NOT_DECLARED: 404,
  METHOD_NOT_ALLOWED: 405,
  UNKNOWN_REVISION: 404,
  REVISION_CONFLICT: 409,
  DOCUMENTS_REFUSED: 422,
  HISTORY_GONE: 410,
  LOG_UNAVAILABLE: 503,
  NOT_CONFIGURED: 503,
  BROKER_UNAVAILABLE: 503,
  BROKER_REFUSED: 422,
  PLAN_STALE: 409,
  PLAN_DESTRUCTIVE: 422,
  APPLY_RUNNING: 409,
  UNKNOWN_EVENT_TYPE: 400,
  UNKNOWN_DATA_TYPE: 400,
  EVENT_CONFLICT: 409,
  EVENT_REFUSED: 422,
  QUEUE_FULL: 429,
  DATABASE_UNAVAILABLE: 503,
  DATABASE_UNFIT: 503,
  USER_ERASED: 410,
  USER_FORBIDDEN: 403,
  TOKEN_MISSING: 401,
  TOKEN_INVALID: 401,
  TOKEN_EXPIRED: 401,
  KEYS_UNAVAILABLE: 503,
  SCOPE_MISSING: 403,
  SCOPE_UNDECLARED: 403,
  DEADLINE_EXCEEDED: 504,
  SHUTTING_DOWN: 503,
  INTERNAL: 500,
};

const NO_STORE = { "cache-control": "no-store" };

/** An answer before it is written. */
interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Record<string, string>;
}

/** Answers plain requests: the REST face of the same answers, behind the same gate. */
export function createRestHandler(options: RestOptions): (request: Request, response: Response) => void {
  const { routes } = options;
  return (request, response) => {
    const began = performance.now();
    const requestId = requestIdOf(header(request, "x-request-id"));
    const [path = "/"] = (request.url ?? "/").split("?", 1);
    let label = "other";
    find(path)
      .then((found) => {
        label = found.label;
        return answer(request, response, path, found.route);
      })
      .catch((error: unknown) => failure(error, requestId, path, options.logger))
      .then((reply) => {
        write(request, response, reply, { ...options.extraHeaders(), "x-request-id": requestId });
        options.metrics.httpHandled(label, reply.status, (performance.now() - began) / 1000);
      })
      .catch((error: unknown) => {
        options.logger.error({ err: error, requestId, path }, "the answer could not be written");
        response.destroy();
      });
  };

  async function find(path: string): Promise<UserRoute> {
    const route = routes.get(path);
    if (route) return { label: path, route };
    const ofUser = options.userData && userRoute(path, options.userData);
    if (ofUser) return ofUser;
    const remedy = "RPCs are POST /<package>.<Service>/<Method>";
    throw unknownName("UNKNOWN_ROUTE", "path", path, [...routes.keys(), ...USER_PATHS], remedy);
  }

  async function answer(
    request: Request,
    response: Response,
    path: string,
    route: RestRoute,
  ): Promise<Reply> {
    const deadline = performance.now() + options.unaryDeadlineMs;
    const allowed = route.method === undefined ? ["GET", "HEAD"] : [route.method];
    if (!allowed.includes(request.method ?? "")) {
      const message = `${request.method} is not possible here; use ${allowed[0]}`;
      throw new HubError("METHOD_NOT_ALLOWED", message, { metadata: { allow: allowed.join(", ") } });
    }
    const caller = await admit(options.gate, route.need, header(request, "authorization"));
    // Where no body is read, one that is too large to be skipped in passing is a mistake to hear of.
    if (Number(header(request, "content-length")) > options.readMaxBytes)
      throw requestTooLarge(options.readMaxBytes);
    const { snapshot } = options.config;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const query = queryOf(request, route.parameters);
    const text = route.method === "POST" ? await bodyOf(request, options.readMaxBytes) : "";
    const content = await route.answer(query, { caller, body: text, signal: gone.signal, deadline });
    const headers = content.isOfTheMoment ? { headers: NO_STORE } : {};
    if ("text" in content)
      return {
        status: content.status ?? 200,
        contentType: content.contentType,
        body: content.text,
        ...headers,
      };
    const body = `${JSON.stringify(content.json)}\n`;
    const contentType = "application/json; charset=utf-8";
    if (route.isOfSnapshot) {
      options.hot.remember(request.url ?? "", snapshot, {
        ...{ need: route.need, contentType, body: Buffer.from(body) },
        ended: (status, { began }) =>
          options.metrics.httpHandled(path, status, (performance.now() - began) / 1000),
      });
    }
    return { status: content.status ?? 200, contentType, body, ...headers };
  }
}

// A parameter that the route does not know would be ignored in silence, so it is refused.
function queryOf(request: Request, known: readonly string[]): Record<string, string> {
  const values: Record<string, string> = Object.fromEntries(known.map((name) => [name, ""]));
  const query = (request.url ?? "").split("?").slice(1).join("?");
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.includes(name)) {
      throw new HubError(
        "INVALID_REQUEST",
        `"${name.slice(0, 64)}" is not a parameter; use: ${known.join(", ") || "none"}`,
      );
    }
    if (values[name] !== "") throw new HubError("INVALID_REQUEST", `${name}: is given twice; give it once`);
    if (value.length > 128 || /\p{Cc}/u.test(value)) {
      throw new HubError(
        "INVALID_REQUEST",
        `${name}: must be at most 128 characters, none of them a control character`,
      );
    }
    values[name] = value;
  }
  return values;
}

function failure(error: unknown, requestId: string, path: string, logger: Logger): Reply {
  let known = error;
  if (!(known instanceof HubError)) {
    logger.error({ err: error, requestId, path }, "call failed in the hub");
    known = new HubError(
      "INTERNAL",
      `something went wrong in the hub; its log tells more under request ${requestId}`,
    );
  }
  const { reason, message, metadata, retryAfterMs } = known as HubError;
  const status = STATUS_OF[reason];
  const headers: Record<string, string> = { ...NO_STORE };
  if (status === 401)
    headers["www-authenticate"] = reason === "TOKEN_MISSING" ? "Bearer" : 'Bearer error="invalid_token"';
  if (status === 405) headers.allow = metadata.allow ?? "GET, HEAD";
  if (retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(retryAfterMs / 1000));
  const body = `${JSON.stringify({ status: "error", error: message, reason, request_id: requestId })}\n`;
  return { status, contentType: "application/json; charset=utf-8", body, headers };
}

function write(
  request: Request,
  response: Response,
  reply: Reply,
  extra: Readonly<Record<string, string>>,
): void {
  const headers: Record<string, string | number> = {
    "content-type": reply.contentType,
    "x-content-type-options": "nosniff",
    ...extra,
    ...reply.headers,
  };
  let status = reply.status;
  let body = reply.body;
  if (status === 200 && headers["cache-control"] === undefined) {
    const etag = etagOf(body);
    headers.etag = etag;
    headers["cache-control"] = "no-cache";
    if (matches(header(request, "if-none-match"), etag)) {
      status = 304;
      body = "";
      delete headers["content-type"];
    }
  }
  if (status !== 304) headers["content-length"] = Buffer.byteLength(body);
  response.writeHead(status, headers);
  response.end(request.method === "HEAD" ? "" : body);
}

function header(request: Request, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}
