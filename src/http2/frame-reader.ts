import { ConnectionFault } from "./connection-fault.ts";
import { CODE, FLAG, FRAME, FRAME_HEADER, FRAME_MAX, MAX_31, PREFACE } from "./constants.ts";

/**
 * Who is told what frames say. Where a stream is named, `Stream` is what the receiver made of the number; a body whose
 * receiver gave nothing is dropped.
 */
export interface FrameReceiver<Stream> {
  /** A piece of a body begins that takes so much of the windows. */
  beginData(id: number, windowBytes: number): Stream | undefined;
  data(stream: Stream | undefined, chunk: Buffer): void;
  /** So many bytes came that are no body's. */
  padding(stream: Stream | undefined, bytes: number): void;
  endBody(stream: Stream): void;
  header(id: number, endsStream: boolean, block: Buffer): void;
  reset(id: number, code: number): void;
  setting(name: number, value: number): void;
  /** All of one frame's settings have been told. */
  endSettings(): void;
  ping(payload: Buffer): void;
  pong(): void;
  goodbye(): void;
  /** Of a stream, or with 0 of the connection. */
  window(id: number, more: number): void;
  /** A frame came that says nothing. */
  nothing(): void;
}

/** Frames that one header may be in. */
const HEADER_FRAMES = 8;
/** Parameters of one SETTINGS frame. */
const SETTINGS_MAX = 32;

/** A header whose end is still to come. */
interface Unfinished {
  readonly stream: number;
  readonly endsStream: boolean;
  readonly parts: Buffer[];
  bytes: number;
}

/** A DATA frame whose payload is still to come. */
interface UnfinishedData<Stream> {
  readonly stream: Stream | undefined;
  readonly endsStream: boolean;
  left: number;
  /** Bytes behind that. */
  padding: number;
}

/**
 * Reads what a client sends: its preface, and frames as RFC 9113, 4 and 6 have them, bodies as they come and all else whole.
 * Throws ConnectionFault for what no client may send.
 */
export class FrameReader<Stream> {
  readonly #receiver: FrameReceiver<Stream>;
  readonly #headerMax: number;
  #rest: Buffer | undefined;
  #data: UnfinishedData<Stream> | undefined;
  #header: Unfinished | undefined;
  #hasGreeted = false;
  #hasSettings = false;
  #isStopped = false;

  /** A header may be so many bytes long. */
  constructor(receiver: FrameReceiver<Stream>, headerMax: number) {
    this.#receiver = receiver;
    this.#headerMax = headerMax;
  }

  /** Reads nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#rest = undefined;
  }

  /** Takes what has come. */
  read(chunk: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    let at = this.#hasGreeted ? 0 : this.#greeting(bytes);
    while (!this.#isStopped) {
      const behind = this.#data ? this.#readData(this.#data, bytes, at) : this.#readFrame(bytes, at);
      if (behind === at) break;
      at = behind;
    }
    // A copy, since what is left is a small part of what came.
    if (at < bytes.length && !this.#isStopped) this.#rest = Buffer.from(bytes.subarray(at));
  }

  #greeting(bytes: Buffer): number {
    const length = Math.min(PREFACE.length, bytes.length);
    if (bytes.compare(PREFACE, 0, length, 0, length) !== 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    if (length < PREFACE.length) return 0;
    this.#hasGreeted = true;
    return length;
  }

  // Gives the place behind what it has read: the same place where more has to come first.
  #readFrame(bytes: Buffer, at: number): number {
    const start = at + FRAME_HEADER;
    if (!this.#hasGreeted || bytes.length < start) return at;
    const length = bytes.readUIntBE(at, 3);
    const type = bytes[at + 3] as number;
    const flags = bytes[at + 4] as number;
    const id = bytes.readUInt32BE(at + 5) & MAX_31;
    if (length > FRAME_MAX) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR);
    if (!this.#hasSettings && type !== FRAME.SETTINGS) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    if (this.#header && (type !== FRAME.CONTINUATION || id !== this.#header.stream)) {
      throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    }
    if (type === FRAME.DATA) {
      const isPadded = (flags & FLAG.PADDED) !== 0;
      if (isPadded && length > 0 && bytes.length === start) return at;
      this.#beginData(id, flags, length, isPadded ? (bytes[start] as number) : undefined);
      return isPadded ? start + 1 : start;
    }
    const end = start + length;
    if (bytes.length < end) return at;
    this.#take(type, flags, id, bytes.subarray(start, end));
    return end;
  }

  #beginData(id: number, flags: number, length: number, padding: number | undefined): void {
    const overhead = padding === undefined ? 0 : padding + 1;
    if (id === 0 || overhead > length) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    const endsStream = (flags & FLAG.END_STREAM) !== 0;
    const stream = this.#receiver.beginData(id, length);
    // The byte that says how long the padding is has been read.
    if (overhead > 0) this.#receiver.padding(stream, 1);
    if (length === 0 && !endsStream) this.#receiver.nothing();
    const data = { stream, endsStream, left: length - overhead, padding: padding ?? 0 };
    if (data.left + data.padding === 0) this.#endData(data);
    else this.#data = data;
  }

  #readData(data: UnfinishedData<Stream>, bytes: Buffer, start: number): number {
    let at = start;
    const length = Math.min(data.left, bytes.length - at);
    if (length > 0) {
      data.left -= length;
      at += length;
      this.#receiver.data(data.stream, bytes.subarray(start, at));
    }
    const padding = Math.min(data.padding, bytes.length - at);
    if (padding > 0) {
      data.padding -= padding;
      at += padding;
      this.#receiver.padding(data.stream, padding);
    }
    if (data.left + data.padding === 0) this.#endData(data);
    return at;
  }

  #endData({ stream, endsStream }: UnfinishedData<Stream>): void {
    this.#data = undefined;
    if (stream !== undefined && endsStream) this.#receiver.endBody(stream);
  }

  #take(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === FRAME.HEADERS) this.#takeHeaders(flags, id, payload);
    else if (type === FRAME.CONTINUATION) this.#takeContinuation(flags, payload);
    else if (type === FRAME.SETTINGS) this.#takeSettings(flags, id, payload);
    else if (type === FRAME.PING) this.#takePing(flags, id, payload);
    else if (type === FRAME.RST_STREAM) {
      if (id === 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
      if (payload.length !== 4) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR);
      this.#receiver.reset(id, payload.readUInt32BE(0));
    } else if (type === FRAME.GOAWAY) {
      if (id !== 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
      if (payload.length < 8) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR);
      this.#receiver.goodbye();
    } else if (type === FRAME.WINDOW_UPDATE) {
      if (payload.length !== 4) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR);
      this.#receiver.window(id, payload.readUInt32BE(0) & MAX_31);
    } else if (type === FRAME.PRIORITY) {
      if (id === 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
      if (payload.length !== 5) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR);
      expectOther(id, payload, 0);
      this.#receiver.nothing();
    } else if (type === FRAME.PUSH_PROMISE) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    else this.#receiver.nothing();
  }

  #takeHeaders(flags: number, id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    const isPadded = (flags & FLAG.PADDED) !== 0;
    const padding = isPadded ? (payload[0] ?? 0) : 0;
    let start = isPadded ? 1 : 0;
    if (flags & FLAG.PRIORITY) {
      expectOther(id, payload, start);
      start += 5;
    }
    if (start + padding > payload.length) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    const part = payload.subarray(start, payload.length - padding);
    const endsStream = (flags & FLAG.END_STREAM) !== 0;
    if (flags & FLAG.END_HEADERS) this.#receiver.header(id, endsStream, part);
    else this.#header = { stream: id, endsStream, parts: [Buffer.from(part)], bytes: part.length };
  }

  #takeContinuation(flags: number, payload: Buffer): void {
    const header = this.#header;
    if (!header) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    header.parts.push(Buffer.from(payload));
    header.bytes += payload.length;
    // The tables have to be kept in step, so a header is read even when it is too long; but not one that has no end.
    if (header.parts.length > HEADER_FRAMES || header.bytes > 2 * this.#headerMax) {
      throw new ConnectionFault(CODE.ENHANCE_YOUR_CALM);
    }
    if (!(flags & FLAG.END_HEADERS)) return;
    this.#header = undefined;
    this.#receiver.header(header.stream, header.endsStream, Buffer.concat(header.parts, header.bytes));
  }

  #takeSettings(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    if (payload.length % 6 !== 0) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR);
    if (flags & FLAG.ACK) {
      if (payload.length > 0) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR);
      return;
    }
    if (payload.length > SETTINGS_MAX * 6) throw new ConnectionFault(CODE.ENHANCE_YOUR_CALM);
    this.#hasSettings = true;
    for (let at = 0; at < payload.length; at += 6) {
      this.#receiver.setting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    this.#receiver.endSettings();
  }

  #takePing(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    if (payload.length !== 8) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR);
    if (flags & FLAG.ACK) this.#receiver.pong();
    else this.#receiver.ping(payload);
  }
}

// A stream cannot depend on itself.
function expectOther(id: number, payload: Buffer, at: number): void {
  if (payload.length >= at + 4 && (payload.readUInt32BE(at) & MAX_31) === id) {
    throw new ConnectionFault(CODE.PROTOCOL_ERROR);
  }
}
