import { setTimeout as sleep } from "node:timers/promises";
import type {
  DescMessage,
  DescMethod,
  DescService,
  JsonWriteOptions,
  MessageInitShape,
  Registry,
} from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { Register } from "../../../src/rpc/lean/lean-calls.ts";
import type {
  ErrorDefinition,
  Header,
  PayloadResponse,
  RequestForMany,
  RequestForOne,
  RequestInfo,
  StreamDefinition,
  UnaryDefinition,
} from "./messages.ts";

/** The registry's descriptor of the service that a server under test is to have. */
export function conformanceService(registry: Registry): DescService {
  return known(registry.getService("connectrpc.conformance.v1.ConformanceService"));
}

/**
 * Registers ConformanceService, as its .proto documents it: what a request asks for is what it gets. The hub's JSON
 * options get the registry, which these messages need for their Any fields; the hub's own messages have none.
 */
export function conformanceRoutes(registry: Registry): (register: Register) => void {
  const requestInfo = known(registry.getMessage("connectrpc.conformance.v1.ConformancePayload.RequestInfo"));
  const fail = (error: ErrorDefinition, info?: RequestInfo) => failure(error, requestInfo, info);

  async function answerOne(
    requests: readonly RequestForOne[],
    observed: RequestInfo,
    context: HandlerContext,
  ): Promise<PayloadResponse> {
    const [first] = requests;
    const definition = first?.responseDefinition;
    observed.requests = requests.map((request) => pack(context.method, request));
    setMetadata(context, definition);
    await pause(definition, context);
    const { response } = definition ?? {};
    if (response?.case === "error") throw fail(response.value, observed);
    const data = response?.case === "responseData" ? { data: response.value } : {};
    return { payload: { ...data, requestInfo: observed } };
  }

  async function* answerMany(
    requests: AsyncIterable<RequestForMany>,
    context: HandlerContext,
  ): AsyncIterable<PayloadResponse> {
    const observed: RequestInfo = observe(context);
    let definition: StreamDefinition | undefined;
    let seen: Any[] = [];
    let sent = 0;
    let begun = false;

    async function next(definition: StreamDefinition): Promise<PayloadResponse> {
      await pause(definition, context);
      const data = definition.responseData[sent] ?? new Uint8Array();
      const info =
        sent === 0 ? { ...observed, requests: seen } : seen.length > 0 ? { requests: seen } : undefined;
      seen = [];
      sent += 1;
      return { payload: { data, ...(info && { requestInfo: info }) } };
    }

    let fullDuplex = false;
    for await (const request of requests) {
      if (!begun) {
        begun = true;
        definition = request.responseDefinition;
        fullDuplex = request.fullDuplex ?? false;
        setMetadata(context, definition);
      }
      seen.push(pack(context.method, request));
      if (!fullDuplex) continue;
      if (!definition || sent >= definition.responseData.length) break;
      yield await next(definition);
    }
    if (!definition) return;
    while (sent < definition.responseData.length) yield await next(definition);
    if (!definition.error) return;
    throw fail(definition.error, sent === 0 ? { ...observed, requests: seen } : undefined);
  }

  const implementation = {
    unary: (request: RequestForOne, context: HandlerContext) =>
      answerOne([request], observe(context), context),
    idempotentUnary: (request: RequestForOne, context: HandlerContext) =>
      answerOne([request], observe(context), context),
    clientStream: async (requests: AsyncIterable<RequestForOne>, context: HandlerContext) => {
      // The timeout counts from here, not from the end of the requests.
      const observed = observe(context);
      return await answerOne(await Array.fromAsync(requests), observed, context);
    },
    serverStream: (request: RequestForMany, context: HandlerContext) => answerMany(only(request), context),
    bidiStream: answerMany,
    // `unimplemented` is left out: the router answers for it.
  };
  return (register) => {
    register(conformanceService(registry), implementation as unknown as Partial<ServiceImpl<DescService>>, {
      jsonOptions: { ...HUB_JSON, registry },
    });
  };
}

// As in src/rpc/routes.ts.
const HUB_JSON: Partial<JsonWriteOptions> & { ignoreUnknownFields: boolean } = {
  alwaysEmitImplicit: true,
  ignoreUnknownFields: false,
};

async function* only<Item>(item: Item): AsyncIterable<Item> {
  yield item;
}

function known<Value>(value: Value | undefined): Value {
  if (value === undefined)
    throw new Error("the conformance suite's .proto files lack what this server implements");
  return value;
}

function pack(method: DescMethod, request: RequestForOne | RequestForMany): Any {
  return anyPack(method.input, request);
}

function observe(context: HandlerContext): RequestInfo {
  const timeoutMs = context.timeoutMs();
  return {
    requestHeaders: toHeaders(context.requestHeader),
    requests: [],
    ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.round(timeoutMs)) }),
    ...(context.requestMethod === "GET" && {
      connectGetInfo: { queryParams: toHeaders(new URL(context.url).searchParams) },
    }),
  };
}

function toHeaders(pairs: Iterable<[string, string]>): Header[] {
  return [...pairs].map(([name, value]) => ({ name, value: [value] }));
}

function setMetadata(
  context: HandlerContext,
  definition: UnaryDefinition | StreamDefinition | undefined,
): void {
  append(context.responseHeader, definition?.responseHeaders);
  append(context.responseTrailer, definition?.responseTrailers);
}

function append(target: Headers, headers: readonly Header[] = []): void {
  for (const { name, value } of headers) for (const item of value) target.append(name, item);
}

async function pause(
  definition: { readonly responseDelayMs: number } | undefined,
  context: HandlerContext,
): Promise<void> {
  if (!definition?.responseDelayMs) return;
  await sleep(definition.responseDelayMs, undefined, { signal: context.signal }).catch(() => {
    throw context.signal.reason;
  });
}

function failure(
  error: ErrorDefinition,
  requestInfo: DescMessage,
  info: RequestInfo | undefined,
): ConnectError {
  const made = new ConnectError(error.message ?? "", error.code);
  made.details = error.details.map(({ typeUrl, value }) => ({ type: typeUrl.replace(/^.*\//, ""), value }));
  if (info) made.details.push({ desc: requestInfo, value: info as unknown as MessageInitShape<DescMessage> });
  return made;
}
