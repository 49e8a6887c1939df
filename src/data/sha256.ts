import { hash } from "node:crypto";

/**
 * The 32 bytes of a SHA-256 as a text, each a character up to U+00FF. Each event takes several, and as such they cost a third
 * of what an object for each does, and leave nothing behind that the garbage collector must look after one by one.
 */
export type Digest = string;

/** The SHA-256 of a text, as UTF-8, or of bytes. */
export function digestOf(data: string | Buffer): Digest {
  return hash("sha256", data, "binary");
}

/** The same as bytes. */
export function sha256(data: string | Buffer): Buffer {
  return Buffer.from(digestOf(data), "latin1");
}
