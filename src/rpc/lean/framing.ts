import type { DescMethod } from "@bufbuild/protobuf";

/** How one call is laid out on the wire: the protocol and the form of its messages. */
export interface Framing {
  /** As Connect names it. */
  readonly protocol: "grpc" | "grpc-web" | "connect";
  readonly isBinary: boolean;
  /** Whether messages stand in envelopes; only a unary call of Connect does without. */
  readonly isEnveloped: boolean;
  /** The content type of the answer. */
  readonly contentType: string;
}

export const ENVELOPE_BYTES = 5;

const GRPC: Framing = {
  protocol: "grpc",
  isBinary: true,
  isEnveloped: true,
  contentType: "application/grpc+proto",
};
const GRPC_WEB: Framing = {
  protocol: "grpc-web",
  isBinary: true,
  isEnveloped: true,
  contentType: "application/grpc-web+proto",
};

function connect(codec: "proto" | "json", isEnveloped: boolean): Framing {
  const contentType = `application/${isEnveloped ? "connect+" : ""}${codec}`;
  return { protocol: "connect", isBinary: codec === "proto", isEnveloped, contentType };
}

const ANY_KIND: readonly (readonly [string, Framing])[] = [
  ["application/grpc", GRPC],
  ["application/grpc+proto", GRPC],
  ["application/grpc-web", GRPC_WEB],
  ["application/grpc-web+proto", GRPC_WEB],
];
const UNARY = new Map([
  ...ANY_KIND,
  ["application/proto", connect("proto", false)],
  ["application/json", connect("json", false)],
]);
const SERVER_STREAMING = new Map([
  ...ANY_KIND,
  ["application/connect+proto", connect("proto", true)],
  ["application/connect+json", connect("json", true)],
]);

/** The framing of a request by its content type; undefined for one that is left to Connect. */
export function framingOf(
  kind: DescMethod["methodKind"],
  contentType: string | undefined,
): Framing | undefined {
  if (contentType === undefined) return undefined;
  if (kind === "unary") return UNARY.get(contentType);
  return kind === "server_streaming" ? SERVER_STREAMING.get(contentType) : undefined;
}

/** Puts a message into an envelope. */
export function enveloped(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(ENVELOPE_BYTES + message.byteLength);
  frame[0] = 0;
  frame.writeUInt32BE(message.byteLength, 1);
  frame.set(message, ENVELOPE_BYTES);
  return frame;
}

/** The message of a body; undefined for a body that is not exactly one plain message, which is Connect's to judge. */
export function messageOf(framing: Framing, body: Buffer): Buffer | undefined {
  if (!framing.isEnveloped) return body;
  if (body.length < ENVELOPE_BYTES || body[0] !== 0) return undefined;
  return body.readUInt32BE(1) === body.length - ENVELOPE_BYTES ? body.subarray(ENVELOPE_BYTES) : undefined;
}

const GRPC_WEB_END = 0b1000_0000;
const CONNECT_END = 0b0000_0010;
const GRPC_WEB_OK = endFrame(GRPC_WEB_END, "grpc-status: 0\r\n");
const CONNECT_OK = endFrame(CONNECT_END, "{}");

/**
 * What stands behind the last message of an answer that went well, as part of its body; empty where the stream's own
 * trailers, or headers, say it.
 */
export function goodEnd({ protocol, isEnveloped }: Framing, trailer: Headers | undefined): Buffer {
  if (protocol === "grpc-web") return trailer ? webTrailers(trailer) : GRPC_WEB_OK;
  if (protocol === "grpc" || !isEnveloped) return NOTHING;
  if (!trailer) return CONNECT_OK;
  const metadata = Object.fromEntries([...trailer].map(([name, value]) => [name, value.split(", ")]));
  return endFrame(CONNECT_END, JSON.stringify({ metadata }));
}
const NOTHING = Buffer.alloc(0);

function webTrailers(trailer: Headers): Buffer {
  const lines = [...trailer].map(([name, value]) => `${name}: ${value}\r\n`);
  return endFrame(GRPC_WEB_END, `${lines.join("")}grpc-status: 0\r\n`);
}

function endFrame(flags: number, text: string): Buffer {
  const frame = enveloped(Buffer.from(text));
  frame[0] = flags;
  return frame;
}

const GRPC_TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 } as const;

/** The time that the client gives the call, in milliseconds: undefined without one, NaN for one that is malformed. */
export function timeoutOf(framing: Framing, header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (framing.protocol === "connect") return /^\d{1,10}$/.test(header) ? Number(header) : Number.NaN;
  const [, number, unit] = GRPC_TIMEOUT.exec(header) ?? [];
  return number === undefined ? Number.NaN : Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS];
}
