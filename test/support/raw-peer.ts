// Clients that do what no library lets them do: bytes on a socket, and HTTP/2 frames made by hand.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";

/** A frame of HTTP/2. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4 } as const;
export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/**
 * A peer that leaves nothing to a library. It does not answer a goodbye: its side stays open until the test ends,
 * so that a connection that is over is one that the server has let go of.
 */
export class RawPeer {
  readonly #socket: Socket;
  readonly #began = performance.now();
  #received: Buffer = Buffer.alloc(0);
  #endedAfterMs: number | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    const end = () => {
      this.#endedAfterMs ??= performance.now() - this.#began;
    };
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", () => {});
  }

  static async connect(port: number, localAddress = "127.0.0.1"): Promise<RawPeer> {
    const socket = connect({ port, host: "127.0.0.1", localAddress, allowHalfOpen: true, noDelay: true });
    onTestFinished(() => {
      socket.destroy();
    });
    const peer = new RawPeer(socket);
    await once(socket, "connect");
    return peer;
  }

  /** A peer that has said hello in HTTP/2, with these settings. */
  static async connectHttp2(
    port: number,
    settings: readonly (readonly [number, number])[] = [],
  ): Promise<RawPeer> {
    const peer = await RawPeer.connect(port);
    const payload = Buffer.alloc(settings.length * 6);
    for (const [index, [id, value]] of settings.entries()) {
      payload.writeUInt16BE(id, index * 6);
      payload.writeUInt32BE(value, index * 6 + 2);
    }
    peer.write(PREFACE, frame(FRAME.SETTINGS, 0, 0, payload));
    return peer;
  }

  get text(): string {
    return this.#received.toString("latin1");
  }

  get frames(): Frame[] {
    return framesOf(this.#received);
  }

  /** Whether the server has ended the connection. */
  get ended(): boolean {
    return this.#endedAfterMs !== undefined;
  }

  /** Sends, as far as the connection still takes it. */
  write(...parts: readonly (string | Buffer)[]): void {
    const bytes = Buffer.concat(
      parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)),
    );
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Sends and waits until the kernel has taken it, or the connection is over. */
  async flush(...parts: readonly (string | Buffer)[]): Promise<void> {
    this.write(...parts);
    while (this.#socket.writableLength > 0 && !this.ended) await sleep(1);
  }

  /** Takes nothing more from the socket, so that what the server sends piles up. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** Waits until something holds; says what has arrived when it does not. */
  async until(what: string, holds: (peer: RawPeer) => boolean, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!holds(this)) {
      if (performance.now() > deadline) {
        const kinds = this.text.startsWith("HTTP/")
          ? this.text.slice(0, 200)
          : JSON.stringify(this.frames.map((item) => [item.type, item.stream]).slice(0, 20));
        throw new Error(`${what}: not within ${withinMs} ms; arrived: ${kinds}`);
      }
      await sleep(5);
    }
  }

  /** The time that the server took to end the connection, in milliseconds since it was opened. */
  async untilEnded(withinMs: number): Promise<number> {
    await this.until("the end of the connection", (peer) => peer.ended, withinMs);
    return this.#endedAfterMs ?? Number.NaN;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The bytes of a frame. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ""): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** A header block without compression: every field a literal that no table keeps. */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]));
}

/** The HEADERS frame of a request. */
export function requestHeaders(
  stream: number,
  method: string,
  path: string,
  { end = false, fields = [] }: { end?: boolean; fields?: readonly (readonly [string, string])[] } = {},
): Buffer {
  const block = headerBlock([
    [":method", method],
    [":scheme", "http"],
    [":path", path],
    [":authority", "hub"],
    ...fields,
  ]);
  return frame(FRAME.HEADERS, FLAG.END_HEADERS | (end ? FLAG.END_STREAM : 0), stream, block);
}

// RFC 7541, 5.2 and 5.1: a length with a prefix of seven bits, then the octets as they are.
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const prefix = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) prefix.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...prefix, rest]), bytes]);
}

export function framesOf(bytes: Buffer): Frame[] {
  const found: Frame[] = [];
  let at = 0;
  while (at + 9 <= bytes.length) {
    const length = bytes.readUIntBE(at, 3);
    if (at + 9 + length > bytes.length) break;
    found.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      stream: bytes.readUInt32BE(at + 5) & 0x7fffffff,
      payload: bytes.subarray(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return found;
}
