import { fromBinary } from "@bufbuild/protobuf";
import { type ConnectRouter, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { HubError, requestTooLarge } from "../errors.ts";
import type { Handler } from "../http/listener.ts";
import type { Logger } from "../telemetry/logger.ts";
import { bodyKey, PeekableBody } from "./peekable-body.ts";

/** Hands requests to the router's RPCs by their path, and all others to the fallback. */
export function createAdapter(router: ConnectRouter, fallback: Handler, logger: Logger): Handler {
  const rpcs = new Map(router.handlers.map((rpc) => [rpc.requestPath, rpc]));
  return (request, response) => {
    const rpc = rpcs.get((request.url ?? "").split("?", 1)[0] ?? "");
    if (!rpc) {
      fallback(request, response);
      return;
    }
    const contextValues = createContextValues();
    const universal = universalRequestFromNodeRequest(request, response, undefined, contextValues);
    const body = new PeekableBody(universal.body as AsyncIterable<Uint8Array>);
    contextValues.set(bodyKey, body);
    rpc({ ...universal, body })
      .then((answer) => universalResponseToNodeResponse(answer, response))
      // The call has been answered or its client is gone; what is left is a note for whoever looks into it.
      .catch((error: unknown) =>
        logger.debug({ err: error, rpc: rpc.requestPath }, "an answer did not arrive"),
      );
  };
}

const BINARY = /^application\/(proto|connect\+proto|grpc(-web)?(\+proto)?)$/;
const ENVELOPED = /^application\/(grpc|connect\+)/;
const ENVELOPE_BYTES = 5;

/**
 * Refuses a request that is larger than the hub reads, or is not what its type says. Connect calls malformed JSON INVALID_ARGUMENT and malformed
 * protobuf INTERNAL, as if the hub were at fault. Compressed and streamed requests are left to Connect.
 */
export async function checkBinaryBody(context: HandlerContext, maxBytes: number): Promise<void> {
  const { method, requestHeader } = context;
  const body = context.values.get(bodyKey);
  const contentType = requestHeader.get("content-type") ?? "";
  const streams = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  if (!body || streams) return;
  // Also of a request that is not looked into: what Connect spends on a body grows with the square of its pieces,
  // and a client chooses how small they are.
  const overhead = ENVELOPED.test(contentType) ? ENVELOPE_BYTES : 0;
  const bytes = await body.peek(maxBytes + overhead);
  const announced = overhead > 0 && bytes && bytes.length >= overhead ? bytes.readUInt32BE(1) : 0;
  if (bytes === undefined || announced > maxBytes) throw requestTooLarge(maxBytes);
  if (!BINARY.test(contentType)) return;
  const encodings = ["content-encoding", "grpc-encoding", "connect-content-encoding"];
  if (encodings.some((name) => (requestHeader.get(name) ?? "identity") !== "identity")) return;
  const message = contentType === "application/proto" ? bytes : onlyMessage(bytes);
  if (!message) return;
  try {
    fromBinary(method.input, message);
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    const text = `the body is not a ${method.input.typeName} in protobuf's binary form: ${fault}`;
    throw new HubError("INVALID_REQUEST", text, { cause: error });
  }
}

// The message in a body of one plain envelope; undefined for any other body, which is Connect's to judge.
function onlyMessage(bytes: Buffer): Buffer | undefined {
  if (bytes.length < ENVELOPE_BYTES || bytes[0] !== 0) return undefined;
  return bytes.readUInt32BE(1) === bytes.length - ENVELOPE_BYTES ? bytes.subarray(ENVELOPE_BYTES) : undefined;
}
