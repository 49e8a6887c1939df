import type { Socket } from "node:net";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Reads just enough of a new connection to tell HTTP/2 from HTTP/1.1, puts it back and hands the socket on. A peer that
 * stays silent for `timeoutMs` milliseconds is let go.
 */
export function sniff(socket: Socket, timeoutMs: number, decide: (isHttp2: boolean) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  // A client that ends its side is gone; only HTTP/1.1 lets it wait for an answer. http.Server takes all of them
  // to be of that kind.
  socket.allowHalfOpen = false;
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  const stop = () => clearTimeout(timer);
  socket.once("close", stop);
  const look = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) {
      socket.once("readable", look);
      return;
    }
    seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    const matches = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (matches && length < PREFACE.length) {
      socket.once("readable", look);
      return;
    }
    stop();
    socket.off("close", stop);
    socket.allowHalfOpen = !matches;
    socket.unshift(seen);
    decide(matches);
  };
  socket.once("readable", look);
}
