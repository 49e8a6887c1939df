/** Types of frames. RFC 9113, 6. */
export const FRAME = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

/** Flags of frames. */
export const FLAG = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Parameters of SETTINGS. RFC 9113, 6.5.2. */
export const SETTING = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;

/** Why a stream or a connection ends. RFC 9113, 7. */
export const CODE = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  ENHANCE_YOUR_CALM: 0xb,
} as const;

/** What a client says before its first frame. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Bytes of a frame's header. */
export const FRAME_HEADER = 9;
/** Bytes of a frame's payload, at most, unless a peer allows more. This end never does. */
export const FRAME_MAX = 16_384;
/** Bytes that may be on their way of a stream, and of a connection, until anyone says otherwise. */
export const WINDOW = 65_535;
/** The largest window, and the largest number of a stream. */
export const MAX_31 = 0x7fff_ffff;

/** The header of a frame, with room for its payload behind it where that is given. */
export function frameOf(type: number, flags: number, stream: number, length: number, room = 0): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER + room);
  bytes[0] = length >>> 16;
  bytes[1] = length >>> 8;
  bytes[2] = length;
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  return bytes;
}

/** A frame whose payload are numbers of 32 bits. */
export function frameOfWords(type: number, flags: number, stream: number, ...words: number[]): Buffer {
  const bytes = frameOf(type, flags, stream, words.length * 4, words.length * 4);
  for (const [index, word] of words.entries()) bytes.writeUInt32BE(word, FRAME_HEADER + index * 4);
  return bytes;
}
