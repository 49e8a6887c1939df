import { ConnectionFault } from "./connection-fault.ts";
import { CODE, FLAG, FRAME, FRAME_HEADER, FRAME_MAX, frameOf, MAX_31, SETTING, WINDOW } from "./constants.ts";
import type { FrameReceiver } from "./frame-reader.ts";
import { type Block, HpackDecoder } from "./hpack-decoder.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { Outlet } from "./outlet.ts";
import { areTrailers, headersOfRequest, type RequestHeaders } from "./request-head.ts";
import type { ServerStream } from "./server-stream.ts";
import { Allowance, type SessionBounds } from "./session-bounds.ts";

/** What a client's frames do to its connection. */
export interface InboundListener {
  /** Whether no more requests are taken. */
  readonly isClosing: boolean;
  request(id: number, headers: RequestHeaders, endsStream: boolean, sendWindow: number): void;
  /** Ends a stream, of which the client is told. */
  reset(stream: ServerStream, code: number): void;
  /** A stream has ended. */
  over(stream: ServerStream, code: number): void;
  goodbye(): void;
  pong(): void;
}

/** What the frames of a client mean for its streams. RFC 9113, 5. Throws ConnectionFault for what ends the connection. */
export class Inbound implements FrameReceiver<ServerStream> {
  readonly #bounds: SessionBounds;
  readonly #streams: OpenStreams;
  readonly #outlet: Outlet;
  readonly #listener: InboundListener;
  readonly #decoder: HpackDecoder;
  readonly #resets: Allowance;
  readonly #faults: Allowance;
  #lastBlock: Block | undefined;
  #lastHeaders: RequestHeaders | undefined;
  /** Bytes of bodies that may come until this end allows more, and those that need no more room. */
  #window: number;
  #consumed = 0;
  /** Bytes that may go of a new stream, and what the settings that are being told make of that. */
  #sendWindow = WINDOW;
  #nextSendWindow = WINDOW;

  constructor(bounds: SessionBounds, streams: OpenStreams, outlet: Outlet, listener: InboundListener) {
    this.#bounds = bounds;
    this.#streams = streams;
    this.#outlet = outlet;
    this.#listener = listener;
    this.#decoder = new HpackDecoder(bounds.headerBytes, bounds.headerFields);
    this.#resets = new Allowance(bounds.resets);
    this.#faults = new Allowance(bounds.faults);
    this.#window = bounds.connectionWindow;
  }

  /** Bytes of a body need no more room. */
  consumed(stream: ServerStream, bytes: number): void {
    const { incoming } = stream;
    const more = Math.min(bytes, incoming.held);
    incoming.held -= more;
    incoming.consumed += more;
    this.#consumedOfAll(more);
    if (incoming.isEnded || stream.closed || 2 * incoming.consumed < this.#bounds.streamWindow) return;
    this.#outlet.words(FRAME.WINDOW_UPDATE, stream.id, incoming.consumed);
    incoming.window += incoming.consumed;
    incoming.consumed = 0;
  }

  /** A stream is over: what nobody has read nobody will, and its room is the connection's. */
  drop({ incoming }: ServerStream): void {
    this.#consumedOfAll(incoming.held);
    incoming.held = 0;
  }

  beginData(id: number, windowBytes: number): ServerStream | undefined {
    this.#window -= windowBytes;
    if (this.#window < 0) throw new ConnectionFault(CODE.FLOW_CONTROL_ERROR);
    const stream = this.#streams.continued(id);
    if (!stream) return undefined;
    stream.incoming.window -= windowBytes;
    if (stream.incoming.isEnded) this.#refuse(stream, CODE.STREAM_CLOSED);
    else if (stream.incoming.window < 0) this.#refuse(stream, CODE.FLOW_CONTROL_ERROR);
    return stream;
  }

  data(stream: ServerStream | undefined, chunk: Buffer): void {
    if (!stream || stream.closed) {
      this.#consumedOfAll(chunk.length);
      return;
    }
    const { incoming } = stream;
    incoming.held += chunk.length;
    if (incoming.expected !== undefined) incoming.expected -= chunk.length;
    if ((incoming.expected ?? 0) < 0) this.#refuse(stream, CODE.PROTOCOL_ERROR);
    else stream.receive(chunk);
  }

  padding(stream: ServerStream | undefined, bytes: number): void {
    if (!stream || stream.closed) {
      this.#consumedOfAll(bytes);
      return;
    }
    stream.incoming.held += bytes;
    this.consumed(stream, bytes);
  }

  endBody(stream: ServerStream): void {
    if (stream.closed) return;
    if (stream.incoming.expected) {
      this.#refuse(stream, CODE.PROTOCOL_ERROR);
      return;
    }
    stream.receiveEnd();
    if (stream.outgoing.isEnded) this.#listener.over(stream, CODE.NO_ERROR);
  }

  header(id: number, endsStream: boolean, bytes: Buffer): void {
    this.nothing();
    const block = this.#decoder.decode(bytes);
    if (this.#streams.begins(id)) {
      this.#begin(id, endsStream, block);
      return;
    }
    const stream = this.#streams.continued(id);
    if (!stream) return;
    if (stream.incoming.isEnded) this.#refuse(stream, CODE.STREAM_CLOSED);
    else if (!endsStream || block.isTooLarge || !areTrailers(block.fields)) {
      this.#refuse(stream, CODE.PROTOCOL_ERROR);
    } else this.endBody(stream);
  }

  reset(id: number, code: number): void {
    const stream = this.#streams.spokenOf(id);
    if (!this.#resets.take()) throw new ConnectionFault(CODE.ENHANCE_YOUR_CALM);
    if (!stream) return;
    // Nothing comes of it any more.
    stream.incoming.isEnded = true;
    this.#listener.over(stream, code);
  }

  setting(name: number, value: number): void {
    if (name === SETTING.HEADER_TABLE_SIZE) this.#outlet.resizeTable(value);
    else if (name === SETTING.ENABLE_PUSH) {
      if (value > 1) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    } else if (name === SETTING.MAX_FRAME_SIZE) {
      if (value < FRAME_MAX || value > 0xff_ffff) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    } else if (name === SETTING.INITIAL_WINDOW_SIZE) {
      if (value > MAX_31) throw new ConnectionFault(CODE.FLOW_CONTROL_ERROR);
      this.#nextSendWindow = value;
    }
  }

  endSettings(): void {
    this.nothing();
    this.#outlet.write(frameOf(FRAME.SETTINGS, FLAG.ACK, 0, 0));
    const more = this.#nextSendWindow - this.#sendWindow;
    this.#sendWindow = this.#nextSendWindow;
    // What goes by the new settings goes behind the word that they are known: a client may wait for that first.
    if (more !== 0) for (const stream of this.#streams.all()) this.#outlet.widen(stream, more);
  }

  ping(payload: Buffer): void {
    this.nothing();
    const frame = frameOf(FRAME.PING, FLAG.ACK, 0, 8, 8);
    payload.copy(frame, FRAME_HEADER);
    this.#outlet.write(frame);
  }

  pong(): void {
    this.#listener.pong();
  }

  goodbye(): void {
    this.#listener.goodbye();
  }

  window(id: number, more: number): void {
    if (id === 0) {
      if (more === 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
      this.#outlet.widenAll(more);
      return;
    }
    const stream = this.#streams.spokenOf(id);
    if (!stream) return;
    if (more === 0) this.#refuse(stream, CODE.PROTOCOL_ERROR);
    else if (stream.outgoing.window + more > MAX_31) this.#refuse(stream, CODE.FLOW_CONTROL_ERROR);
    else this.#outlet.widen(stream, more);
  }

  // A client that has this end say something without an end and reads none of it.
  nothing(): void {
    if (this.#outlet.waiting > this.#bounds.unreadBytes) throw new ConnectionFault(CODE.ENHANCE_YOUR_CALM);
  }

  #begin(id: number, endsStream: boolean, block: Block): void {
    const headers = this.#headersOf(block);
    const reason = this.#reasonAgainst(block, headers, endsStream);
    if (headers && reason === undefined) {
      this.#listener.request(id, headers, endsStream, this.#sendWindow);
      return;
    }
    if (!endsStream) this.#streams.forget(id);
    this.#outlet.words(FRAME.RST_STREAM, id, reason ?? CODE.PROTOCOL_ERROR);
    if (!this.#listener.isClosing) this.#fault();
  }

  #headersOf(block: Block): RequestHeaders | undefined {
    if (block !== this.#lastBlock) {
      this.#lastHeaders = block.isTooLarge ? undefined : headersOfRequest(block.fields);
      this.#lastBlock = block;
    }
    return this.#lastHeaders;
  }

  // Why a request is not taken; undefined for one that is.
  #reasonAgainst(block: Block, headers: RequestHeaders | undefined, endsStream: boolean): number | undefined {
    if (this.#listener.isClosing || this.#streams.size >= this.#bounds.streams || this.#isOverfull()) {
      return CODE.REFUSED_STREAM;
    }
    if (block.isTooLarge) return CODE.ENHANCE_YOUR_CALM;
    const length = headers?.["content-length"];
    const isFine = length === undefined || (/^\d{1,15}$/.test(length) && !(endsStream && Number(length) > 0));
    return headers && isFine ? undefined : CODE.PROTOCOL_ERROR;
  }

  #isOverfull(): boolean {
    if (this.#outlet.stalled === 0 || this.#bounds.queueBytes === Number.POSITIVE_INFINITY) return false;
    let waiting = 0;
    for (const { outgoing } of this.#streams.all()) waiting += outgoing.bytes;
    return waiting > this.#bounds.queueBytes;
  }

  #refuse(stream: ServerStream, code: number): void {
    this.#listener.reset(stream, code);
    this.#fault();
  }

  #fault(): void {
    if (!this.#faults.take()) throw new ConnectionFault(CODE.ENHANCE_YOUR_CALM);
  }

  #consumedOfAll(bytes: number): void {
    this.#consumed += bytes;
    if (2 * this.#consumed < this.#bounds.connectionWindow) return;
    this.#outlet.words(FRAME.WINDOW_UPDATE, 0, this.#consumed);
    this.#window += this.#consumed;
    this.#consumed = 0;
  }
}
