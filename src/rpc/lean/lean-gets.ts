import type { HandlerContext } from "@connectrpc/connect";
import type { HotAnswer, HotAnswers } from "../../http/hot-answers.ts";
import { admitKnown } from "../../http/identity.ts";
import type { Request, Response } from "../../http/listener.ts";
import { reportCall } from "../call-report.ts";
import { type Framing, framingOf } from "./framing.ts";
import type { LeanCall } from "./lean-call.ts";
import type { LeanOptions } from "./lean-path.ts";

const PARAMETERS: ReadonlySet<string> = new Set(["connect", "encoding", "message", "base64"]);

/**
 * Has GET requests of Connect answered as REST's are, where the answer depends on the snapshot alone: it is made once,
 * and goes out by its URL from then on. What is out of the ordinary, and every error, is Connect's.
 */
export class LeanGets {
  readonly #calls: ReadonlyMap<string, LeanCall>;
  readonly #options: LeanOptions;
  readonly #hot: HotAnswers;

  constructor(calls: ReadonlyMap<string, LeanCall>, options: LeanOptions, hot: HotAnswers) {
    this.#calls = calls;
    this.#options = options;
    this.#hot = hot;
  }

  /** Answers a request that was not answered before, or says that it is Connect's; then nothing of it has been touched. */
  serve(request: Request, response: Response): boolean {
    const { method, url = "", headers } = request;
    const at = url.indexOf("?");
    const call = method === "GET" && at > 0 ? this.#calls.get(url.slice(0, at)) : undefined;
    if (!call?.basis || url.includes("#")) return false;
    const asked = askedIn(new URLSearchParams(url.slice(at)));
    if (!asked || !admitKnown(this.#options.gate, call.need, headers.authorization)) return false;
    const basis = call.basis();
    const body = answerOf(call, asked.framing, asked.message);
    if (!body) return false;
    this.#hot.remember(url, basis, this.#answer(call, asked.framing, body));
    return this.#hot.serve(request, response);
  }

  #answer(call: LeanCall, { contentType }: Framing, body: Buffer): HotAnswer {
    const { logger, metrics, compressMinBytes } = this.#options;
    const { name, parent } = call.method;
    return {
      need: call.need,
      contentType,
      body,
      // Connect compresses what is large, for those who take that.
      isForGzip: body.length >= compressMinBytes,
      ended: (_status, { requestId, caller, began }) => {
        metrics.rpcStarted(parent.typeName, name);
        const ended = { service: parent.typeName, method: name, requestId, caller: caller.subject, began };
        reportCall(logger, metrics, ended, undefined);
      },
    };
  }
}

function askedIn(query: URLSearchParams): { framing: Framing; message: Buffer } | undefined {
  for (const name of query.keys()) {
    if (!PARAMETERS.has(name) || query.getAll(name).length > 1) return undefined;
  }
  const encoding = query.get("encoding");
  const framing = framingOf("unary", encoding === null ? undefined : `application/${encoding}`);
  if (framing?.protocol !== "connect" || (query.get("connect") ?? "v1") !== "v1") return undefined;
  const base64 = query.get("base64") ?? "0";
  if (base64 !== "0" && base64 !== "1") return undefined;
  const text = query.get("message") ?? "";
  // Connect says what is wrong with a text that is not base64, which Node would read as far as it can.
  if (base64 === "1" && !/^[\w-]*$/.test(text)) return undefined;
  return { framing, message: Buffer.from(text, base64 === "1" ? "base64url" : "utf8") };
}

// Handlers whose answers depend on the snapshot alone do not ask for their context.
const NO_CONTEXT = {} as HandlerContext;

function answerOf(call: LeanCall, framing: Framing, message: Buffer): Buffer | undefined {
  const input = call.read(framing, message);
  if (!input) return undefined;
  try {
    const output = call.invoke(input, NO_CONTEXT);
    return output instanceof Promise ? undefined : call.layOut(framing, output);
  } catch {
    return undefined;
  }
}
