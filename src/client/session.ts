import * as http2 from "node:http2";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";

type Manager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/**
 * The HTTP/2 sessions of one connection. Connect's own manager stops listening for errors when it lets go of a
 * session, and one that fails a moment later, as of a peer that speaks no HTTP/2, would end the process.
 */
export class Sessions implements Manager {
  readonly authority: string;
  readonly #options: http2.SecureClientSessionOptions;
  readonly #all = new Set<http2.ClientHttp2Session>();
  #newest: Promise<http2.ClientHttp2Session> | undefined;
  #isClosed = false;

  constructor(url: string, options: http2.SecureClientSessionOptions) {
    this.authority = new URL(url).origin;
    this.#options = options;
  }

  async request(method: string, path: string, headers: http2.OutgoingHttpHeaders, options: object) {
    let session = await (this.#newest ?? this.#open());
    // The hub lets streams end on a session that it wants to be left, and takes no new ones there.
    if (session.closed || session.destroyed) session = await this.#open();
    return session.request({ ...headers, ":method": method, ":path": path }, options);
  }

  notifyResponseByteRead(): void {}

  /** Ends every session and every stream on them. */
  close(): void {
    this.#isClosed = true;
    for (const session of this.#all) session.destroy();
  }

  async #open(): Promise<http2.ClientHttp2Session> {
    if (this.#isClosed) throw new Error("the connection is closed");
    const session = http2.connect(this.authority, this.#options);
    this.#all.add(session);
    session.once("close", () => this.#all.delete(session));
    this.#newest = new Promise((resolve, reject) => {
      session.once("connect", () => resolve(session));
      // Stays for good; who waits is told once, and streams hear of it by themselves.
      session.on("error", reject);
      session.once("close", () => reject(new Error("the connection was closed")));
    });
    return await this.#newest;
  }
}
