import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";
import { type ConnectionOptions, connect, type NatsConnection } from "nats";

/** The sockets of one connection, over all times that it is made anew. */
interface Sockets {
  readonly open: Set<Socket>;
  readonly ports: ReadonlySet<number>;
  connection: NatsConnection | undefined;
  isGivenUp: boolean;
}

// What a connection's own callbacks begin inherits this too, so its port tells a socket of NATS from any other.
const owner = new AsyncLocalStorage<Sockets>();
subscribe("net.client.socket", (message) => {
  const sockets = owner.getStore();
  const socket = typeof message === "object" && message && "socket" in message ? message.socket : undefined;
  if (!sockets || !(socket instanceof Socket)) return;
  socket.once("connectionAttempt", (_address: string, port: number) => {
    if (!isOf(sockets, port)) return;
    // The client has one socket at a time: those before are left over.
    destroyAll(sockets);
    if (sockets.isGivenUp) socket.destroy();
    else sockets.open.add(socket);
  });
});

/**
 * Connects, or gives up by the signal. The client by itself leaves a socket open for good for each attempt at a server
 * that takes the connection and does not greet, also when it connects again later; here it is taken back.
 */
export async function openConnection(
  options: ConnectionOptions,
  signal?: AbortSignal,
): Promise<NatsConnection> {
  const servers = typeof options.servers === "string" ? [options.servers] : (options.servers ?? []);
  const ports = new Set(servers.map((server) => Number(/:(\d+)$/.exec(server)?.[1])));
  const sockets: Sockets = { open: new Set(), ports, connection: undefined, isGivenUp: false };
  const giveUp = (): void => {
    sockets.isGivenUp = true;
    destroyAll(sockets);
  };
  signal?.addEventListener("abort", giveUp);
  try {
    sockets.connection = await owner.run(sockets, () => connect(options));
    return sockets.connection;
  } catch (error) {
    giveUp();
    throw error;
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
}

// Servers of a cluster tell of each other, and may have other ports.
function isOf({ ports, connection }: Sockets, port: number): boolean {
  return ports.has(port) || (connection?.info?.connect_urls ?? []).some((url) => url.endsWith(`:${port}`));
}

function destroyAll({ open }: Sockets): void {
  for (const socket of open) socket.destroy();
  open.clear();
}
