import type { Duplex } from "node:stream";
import { serveInnerSession } from "./http2-connection.ts";
import type { Handler, ServeStream } from "./listener.ts";

/** Where calls come in that another process of the same hub has accepted. */
export interface InnerDoor {
  /** Serves a connection of that process. */
  accept(connection: Duplex): void;
}

/** Bytes that one call may have on the way. */
export const WINDOW = 1024 * 1024;

/**
 * Serves HTTP/2 on connections that are handed to it. Whoever is at their other end has bounded its clients already, and
 * carries all of them over one connection, so nothing of a connection is bounded here.
 */
export function openInnerDoor(handler: Handler, serveStream: ServeStream | undefined): InnerDoor {
  return { accept: (connection) => serveInnerSession(connection, WINDOW, { handler, serveStream }) };
}
