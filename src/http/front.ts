import { cors } from "@connectrpc/connect";
import type { Logger } from "../telemetry/logger.ts";
import type { Handler, Request, Response } from "./listener.ts";

const CORS_METHODS = [...cors.allowedMethods].join(", ");
const CORS_HEADERS = [...cors.allowedHeaders, "authorization", "if-none-match", "x-request-id"].join(", ");
const CORS_EXPOSED = [...cors.exposedHeaders, "etag", "x-request-id"].join(", ");

/**
 * What every request meets first: a request that could not be served at all is refused, browsers of the
 * configured origins are let in, and nothing that is thrown while a request starts ends the process.
 */
export function createFront(serve: Handler, origins: readonly string[], logger: Logger): Handler {
  return (request, response) => {
    // An error on either has been seen by whoever reads or writes; without a listener it would end the process.
    request.on("error", () => {});
    response.on("error", () => {});
    try {
      const fault = requestFault(request);
      if (fault) refuse(request, response, 400, fault);
      else if (!answerPreflight(request, response, origins)) serve(request, response);
    } catch (error) {
      logger.warn({ err: error, path: request.url }, "request could not be served");
      refuse(request, response, 400, "the request could not be read");
    }
  };
}

// The RPC side makes a URL of these two, and throws where no one catches when it can't.
function requestFault(request: Request): string | undefined {
  const authority = request.authority || request.headers.host;
  if (!authority) return "the request names no host; send a Host header";
  if (!/^[\w.:[\]%~-]+$/.test(authority) || !URL.canParse(`http://${authority}`))
    return "the request's host is malformed";
  if (!request.url?.startsWith("/") || !URL.canParse(request.url, `http://${authority}`)) {
    return "the request's path is malformed";
  }
  return undefined;
}

function answerPreflight(request: Request, response: Response, origins: readonly string[]): boolean {
  const origin = request.headers.origin;
  if (origin === undefined || origins.length === 0) return false;
  response.setHeader("vary", "Origin");
  if (!origins.includes(origin)) return false;
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", CORS_EXPOSED);
  if (request.method !== "OPTIONS" || request.headers["access-control-request-method"] === undefined)
    return false;
  response.setHeader("access-control-allow-methods", CORS_METHODS);
  response.setHeader("access-control-allow-headers", CORS_HEADERS);
  response.setHeader("access-control-max-age", "7200");
  response.writeHead(204);
  response.end();
  return true;
}

function refuse(request: Request, response: Response, status: number, message: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = `${JSON.stringify({ status: "error", error: message, reason: "INVALID_REQUEST" })}\n`;
  const headers: Record<string, string> = { "content-type": "application/json; charset=utf-8" };
  if (request.httpVersionMajor === 1) headers.connection = "close";
  response.writeHead(status, headers);
  response.end(body);
}
