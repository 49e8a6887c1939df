import type { Socket } from "node:net";

/** Counts open connections, in all and by address, and lets no more in than it may. */
export class ConnectionLimits {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #sockets = new Set<Socket>();
  readonly #byAddress = new Map<string, number>();
  #onEmpty: (() => void) | undefined;

  constructor(max: number, maxPerAddress: number) {
    this.#max = max;
    this.#maxPerAddress = maxPerAddress;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Takes a connection, or ends it at once when there are too many. */
  admit(socket: Socket): void {
    const address = socket.remoteAddress ?? "";
    const fromAddress = this.#byAddress.get(address) ?? 0;
    const full = this.#maxPerAddress > 0 && fromAddress >= this.#maxPerAddress;
    if (full || this.#sockets.size >= this.#max) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#byAddress.set(address, fromAddress + 1);
    socket.once("close", () => this.#leave(socket, address));
  }

  /** Ends every connection. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Resolves when no connection is open. */
  drained(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  #leave(socket: Socket, address: string): void {
    this.#sockets.delete(socket);
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#byAddress.set(address, left);
    else this.#byAddress.delete(address);
    if (this.#sockets.size === 0) this.#onEmpty?.();
  }
}
