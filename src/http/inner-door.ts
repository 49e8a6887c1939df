import * as http2 from "node:http2";
import type { Duplex } from "node:stream";
import type { Handler, ServeStream } from "./listener.ts";
import { type Http2Handler, serveFirst } from "./servers.ts";
import { keepStreamsApart } from "./session-streams.ts";

/** Where calls come in that another process of the same hub has accepted. */
export interface InnerDoor {
  /** Serves a connection of that process. */
  accept(connection: Duplex): void;
}

/** As many as HTTP/2 can count, for what is not bounded between the two. */
export const UNBOUNDED = 1_000_000_000;
/** In megabytes: more than any hub has. */
export const MEMORY = 1_000_000;

/**
 * Serves HTTP/2 on connections that are handed to it. Whoever is at their other end has bounded its clients already, and
 * carries all of them over one connection, so nothing of a connection is bounded here.
 */
export function openInnerDoor(handler: Handler, serveStream: ServeStream | undefined): InnerDoor {
  const server = http2.createServer(
    {
      settings: { maxConcurrentStreams: UNBOUNDED, maxHeaderListSize: 65_536, initialWindowSize: WINDOW },
      maxHeaderListPairs: 256,
      maxSessionMemory: MEMORY,
      maxSessionInvalidFrames: UNBOUNDED,
      maxSessionRejectedStreams: UNBOUNDED,
      streamResetBurst: UNBOUNDED,
      streamResetRate: UNBOUNDED,
    },
    handler as unknown as Http2Handler,
  );
  server.setTimeout(0);
  server.on("session", (session) => {
    session.on("error", () => {});
    keepStreamsApart(session);
  });
  server.on("sessionError", () => {});
  serveFirst(server, serveStream);
  return { accept: (connection) => void server.emit("connection", connection) };
}

/** Bytes that one call may have on the way. */
export const WINDOW = 1024 * 1024;
