import type { Message } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";

// The messages of connectrpc.conformance.v1 that a server under test reads, as far as it reads them. The suite's
// .proto files are taken from where the suite is, at test time; none of them lies here.

/** How the runner wants its server. */
export interface ServerCompatRequest extends Message {
  readonly useTls: boolean;
  readonly clientTlsCert: Uint8Array;
  readonly messageReceiveLimit: number;
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
}

export interface Header {
  readonly name: string;
  readonly value: readonly string[];
}

/** The error that a call is to end with. */
export interface ErrorDefinition {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly Any[];
}

export interface UnaryDefinition {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
  readonly response:
    | { readonly case: "responseData"; readonly value: Uint8Array }
    | { readonly case: "error"; readonly value: ErrorDefinition }
    | { readonly case: undefined };
}

export interface StreamDefinition {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
  readonly responseData: readonly Uint8Array[];
  readonly error?: ErrorDefinition;
}

/** UnaryRequest, IdempotentUnaryRequest and ClientStreamRequest. */
export interface RequestForOne extends Message {
  readonly responseDefinition?: UnaryDefinition;
}

/** ServerStreamRequest and BidiStreamRequest; only the latter has `fullDuplex`. */
export interface RequestForMany extends Message {
  readonly responseDefinition?: StreamDefinition;
  readonly fullDuplex?: boolean;
}

/** What the server saw of the request. */
export interface RequestInfo {
  requestHeaders?: Header[];
  timeoutMs?: bigint;
  requests: Any[];
  connectGetInfo?: { queryParams: Header[] };
}

/** Every response: UnaryResponse, ServerStreamResponse and so on. */
export interface PayloadResponse {
  payload: { data?: Uint8Array; requestInfo?: RequestInfo };
}
