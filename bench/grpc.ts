import http2 from "node:http2";

const ENVELOPE_BYTES = 5;
const CALL_MS = 120_000;

/** Puts a message into gRPC's envelope. */
export function enveloped(message: Uint8Array): Buffer {
  const head = Buffer.alloc(ENVELOPE_BYTES);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

/** A unary call, as it is sent and loaded. */
export interface UnaryCall {
  readonly port: number;
  readonly path: string;
  /** The request in its envelope. */
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** The headers that every gRPC call has. */
export const GRPC_HEADERS = { "content-type": "application/grpc", te: "trailers" } as const;

/** Makes a call once and gives the message of its answer. Throws for any status but OK. */
export async function callOnce({ port, path, body, headers }: UnaryCall): Promise<Buffer> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      session.once("error", reject);
      const stream = session.request({ ":method": "POST", ":path": path, ...GRPC_HEADERS, ...headers });
      stream.setTimeout(CALL_MS, () => reject(new Error(`${path}: no answer within ${CALL_MS} ms`)));
      const chunks: Buffer[] = [];
      let status: unknown;
      let said: unknown;
      const look = (fields: http2.IncomingHttpHeaders): void => {
        status = fields["grpc-status"] ?? status;
        said = fields["grpc-message"] ?? said;
      };
      stream.once("response", look);
      stream.once("trailers", look);
      stream.once("error", reject);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.once("end", () => {
        const answer = Buffer.concat(chunks);
        const isWhole =
          answer.length >= ENVELOPE_BYTES && answer.readUInt32BE(1) === answer.length - ENVELOPE_BYTES;
        if (status === "0" && isWhole) resolve(answer.subarray(ENVELOPE_BYTES));
        else reject(new Error(`${path}: grpc-status ${status}: ${said}, ${answer.length} bytes`));
      });
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
}
