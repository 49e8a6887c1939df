import { HubError } from "../../errors.ts";
import type { Probe, Reading } from "../../health/probe.ts";
import { failure, ok, unknown, wrong } from "../../health/reading.ts";
import type { Target } from "../../health/targets.ts";
import { get, type HttpAnswer } from "./get.ts";

const REDIRECTS_MAX = 3;
/** Characters of an answer that a reason holds. */
const QUOTED_MAX = 200;

/** Asks a service over HTTP: an answer of the 200s is OK. Redirects are followed on the same host only. */
export function openHttpProbe({ address }: Target): Probe {
  const start = readUrl(address);
  return { check: (signal) => check(start, signal), close: async () => {} };
}

async function check(start: URL, signal: AbortSignal): Promise<Reading> {
  let url = start;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    let answer: HttpAnswer;
    try {
      answer = await get(url, signal);
    } catch (error) {
      return failure(error, url.host);
    }
    const { status, location } = answer;
    if (status < 300 || status > 399) return judge(url, answer);
    const next = location && URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    if (!next || next.origin !== url.origin) {
      return unknown(
        `${where(url)} answers ${status} with another host, which is not followed; write the address of what answers itself`,
      );
    }
    next.username = start.username;
    next.password = start.password;
    url = next;
  }
  return wrong(`${where(start)} redirects in a circle`);
}

function judge(url: URL, { status, statusText, body }: HttpAnswer): Reading {
  const facts = { status: String(status) };
  if (status >= 200 && status <= 299) return ok(facts);
  const said = `${where(url)} answers ${status} ${statusText}`.trim();
  if (status === 401 || status === 403) return unknown(`${said}: it asks for credentials`, facts);
  if (status === 429) return unknown(`${said}: it is asked too often`, facts);
  if (status < 500) return wrong(`${said}; is the address right?`, facts);
  const words = /^\s*</.test(body) ? "" : body.trim().slice(0, QUOTED_MAX);
  return wrong(words ? `${said}: ${words}` : said, facts);
}

function where({ host, pathname }: URL): string {
  return `${host}${pathname}`;
}

function readUrl(address: string): URL {
  const text = address.includes("://") ? address : `http://${address}`;
  if (URL.canParse(text)) {
    const url = new URL(text);
    if (url.protocol === "http:" || url.protocol === "https:") return url;
  }
  throw new HubError("NOT_CONFIGURED", "the address is none of HTTP; write http://host:port/path");
}
