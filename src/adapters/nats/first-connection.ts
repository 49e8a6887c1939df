import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";
import { type ConnectionOptions, connect, type NatsConnection } from "nats";

/** Sockets of one attempt to connect, while it lasts. */
interface Attempt {
  readonly sockets: Set<Socket>;
  isOver: boolean;
}

const attempts = new AsyncLocalStorage<Attempt>();
subscribe("net.client.socket", (message) => {
  const attempt = attempts.getStore();
  const socket = typeof message === "object" && message && "socket" in message ? message.socket : undefined;
  if (attempt && !attempt.isOver && socket instanceof Socket) attempt.sockets.add(socket);
});

/**
 * Connects, or gives up by the signal. The client by itself leaves a socket open for good to each server that takes the
 * connection and does not greet; here it is taken back.
 */
export async function connectOnce(options: ConnectionOptions, signal?: AbortSignal): Promise<NatsConnection> {
  const attempt: Attempt = { sockets: new Set(), isOver: false };
  const giveUp = (): void => {
    for (const socket of attempt.sockets) socket.destroy();
  };
  signal?.addEventListener("abort", giveUp);
  try {
    return await attempts.run(attempt, () => connect(options));
  } catch (error) {
    giveUp();
    throw error;
  } finally {
    attempt.isOver = true;
    signal?.removeEventListener("abort", giveUp);
  }
}
