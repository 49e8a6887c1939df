import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { BACKLOG } from "../http/listener.ts";

/** Takes connections, one after the other. */
export interface Taker {
  /** Resolves with whether it has taken the connection; if not, it takes none any more, and somebody else may. */
  hand(socket: Socket): Promise<boolean>;
}

/**
 * Accepts connections and hands each to the next of those who can take it. One that has not taken its last connection yet,
 * because it hangs or is busy, gets no other; while none is free they wait here, so that the port is never closed.
 */
export class Acceptor {
  readonly address: AddressInfo;
  readonly #server: Server;
  readonly #waitingMax: number;
  /** In the order in which they became free. */
  readonly #free = new Set<Taker>();
  readonly #takers = new Set<Taker>();
  readonly #waiting: Socket[] = [];
  #isClosed = false;

  private constructor(server: Server, waitingMax: number) {
    this.#server = server;
    this.#waitingMax = waitingMax;
    this.address = server.address() as AddressInfo;
    server.on("error", () => {});
    server.on("connection", (socket) => this.#accept(socket));
  }

  /** Listens. Throws what listening throws. */
  static async listen(at: { host: string; port: number }, waitingMax: number): Promise<Acceptor> {
    // Nothing is read here: the first byte is for whoever serves the connection.
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    server.listen({ host: at.host, port: at.port, backlog: BACKLOG });
    await once(server, "listening");
    return new Acceptor(server, waitingMax);
  }

  add(taker: Taker): void {
    this.#takers.add(taker);
    this.#free.add(taker);
    this.#next();
  }

  remove(taker: Taker): void {
    this.#takers.delete(taker);
    this.#free.delete(taker);
  }

  /** Accepts no more, and ends what nobody has taken. */
  close(): void {
    this.#isClosed = true;
    this.#server.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  #accept(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.#isClosed || this.#waiting.length >= this.#waitingMax) socket.destroy();
    else {
      this.#waiting.push(socket);
      this.#next();
    }
  }

  #next(): void {
    for (const taker of this.#free) {
      const socket = this.#waiting.shift();
      if (!socket) return;
      this.#free.delete(taker);
      void this.#hand(taker, socket);
    }
  }

  async #hand(taker: Taker, socket: Socket): Promise<void> {
    const isTaken = await taker.hand(socket);
    if (isTaken || this.#isClosed) socket.destroy();
    else this.#waiting.unshift(socket);
    // The end of a worker is known to its channel before anybody is told: whoever asked it again and again would not hear of it.
    if (!isTaken) this.remove(taker);
    else if (this.#takers.has(taker)) this.#free.add(taker);
    this.#next();
  }
}
