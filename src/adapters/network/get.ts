import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { FORBIDDEN } from "./dial.ts";

/** Characters of a body that are read. */
const BODY_MAX = 64 * 1024;

/** An answer over HTTP. */
export interface HttpAnswer {
  readonly status: number;
  readonly statusText: string;
  /** Where it redirects to; undefined: nowhere. */
  readonly location: string | undefined;
  /** The body, or its beginning. */
  readonly body: string;
}

/** Asks with GET, over a connection of its own. Ends by the signal, and keeps no socket. */
export function get(url: URL, signal: AbortSignal): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const ask = url.protocol === "https:" ? tlsRequest : plainRequest;
    let isAnswered = false;
    const giveUp = (): void => {
      const silence = isAnswered
        ? "it begins to answer and does not end"
        : "it accepts no connection, or does not answer";
      request.destroy(new Error(silence));
    };
    const end = (settle: () => void): void => {
      signal.removeEventListener("abort", giveUp);
      settle();
      request.destroy();
    };
    // A connection for each look: that new ones are taken is part of what is asked.
    const headers = { "user-agent": "central-hub-probe", accept: "*/*" };
    const options = { agent: false, headers, blockList: FORBIDDEN };
    const request = ask(url, options, (response) => {
      isAnswered = true;
      const { statusCode: status = 0, statusMessage: statusText = "" } = response;
      const { location } = response.headers;
      let body = "";
      const answer = (): void => end(() => resolve({ status, statusText, location, body }));
      response.setEncoding("utf8");
      response.on("data", (data: string) => {
        body += data;
        if (body.length > BODY_MAX) answer();
      });
      response.once("end", answer);
      response.on("error", (error) => end(() => reject(error)));
    });
    request.on("error", (error) => end(() => reject(error)));
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    request.end();
  });
}
