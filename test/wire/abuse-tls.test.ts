import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { get } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { Hub } from "../../src/hub.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { PREFACE } from "../support/raw-peer.ts";
import { describeWith, program } from "../support/toolchains.ts";

const SOON_MS = 5_000;

await describeWith(
  "with TLS",
  async () => ({ openssl: await program("openssl") }),
  ({ openssl }) => {
    const silences: readonly (readonly [string, (port: number, ca: string) => Promise<Socket>])[] = [
      ["before its handshake", (port) => tcpPeer(port)],
      [
        "amid its handshake",
        async (port) => written(await tcpPeer(port), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
      ],
      ["after its handshake, in HTTP/1.1", (port, ca) => tlsPeer(port, ca, "http/1.1")],
      ["after its handshake, in HTTP/2", (port, ca) => tlsPeer(port, ca, "h2")],
      ["after HTTP/2's preface", async (port, ca) => written(await tlsPeer(port, ca, "h2"), PREFACE)],
      [
        "within a header",
        async (port, ca) => written(await tlsPeer(port, ca, "http/1.1"), "GET /healthz HTTP/1.1\r\nHo"),
      ],
    ];
    test.each(silences)("a client that falls silent %s loses its place", async (_name, open) => {
      const { hub, ca } = await startTlsHub(openssl);
      await open(hub.port, ca);
      await expectUnharmed(hub, ca);
    });

    test("clients that vanish amid the handshake leave nothing behind", async () => {
      const { hub, ca } = await startTlsHub(openssl);
      for (let count = 0; count < 50; count += 1) {
        const peer = written(await tcpPeer(hub.port), "\x16\x03\x01\x02\x00");
        peer.resetAndDestroy();
      }
      await expectUnharmed(hub, ca);
    });

    test("one connection too many is ended at once, before its handshake", async () => {
      const { hub, ca } = await startTlsHub(openssl, { connections: 2, headersTimeoutMs: 10_000 });
      const peers = [await tcpPeer(hub.port), await tcpPeer(hub.port)];
      await expect(tlsPeer(hub.port, ca, "h2")).rejects.toThrow();
      for (const peer of peers) peer.destroy();
      await expect
        .poll(
          () =>
            metrics(hub, ca).then(
              () => true,
              () => false,
            ),
          { timeout: SOON_MS },
        )
        .toBe(true);
      await expectUnharmed(hub, ca);
    });
  },
);

async function startTlsHub(
  openssl: string,
  limits: Readonly<Record<string, number>> = {},
): Promise<{ hub: Hub; ca: string }> {
  const directory = await temporaryDirectory();
  const tlsCert = join(directory, "cert.pem");
  const tlsKey = join(directory, "key.pem");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", tlsKey];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  await promisify(execFile)(openssl, ["req", "-x509", ...key, ...names, "-days", "2", "-out", tlsCert]);
  const short = {
    headersTimeoutMs: 500,
    bodyTimeoutMs: 500,
    idleTimeoutMs: 1_000,
    keepAliveIntervalMs: 60_000,
  };
  const hub = await startTestHub({ ...short, ...limits, tlsCert, tlsKey });
  return { hub, ca: await readFile(tlsCert, "utf8") };
}

/** The hub answers another client and has let go of every connection but the asking one. */
async function expectUnharmed(hub: Hub, ca: string): Promise<void> {
  const open = async () => Number(/^hub_connections (\d+)$/m.exec(await metrics(hub, ca))?.[1]);
  await expect.poll(open, { timeout: SOON_MS, interval: 50 }).toBe(1);
}

async function metrics(hub: Hub, ca: string): Promise<string> {
  const request = get(`${hub.url}/metrics`, { ca, agent: false, signal: AbortSignal.timeout(SOON_MS) });
  const [response] = await once(request, "response");
  return await text(response);
}

// Both kinds of peer keep their side open when the server ends its own.
async function tcpPeer(port: number): Promise<Socket> {
  return await opened(connectTcp({ port, host: "127.0.0.1", allowHalfOpen: true }), "connect");
}

async function tlsPeer(port: number, ca: string, protocol: string): Promise<Socket> {
  const options = { port, host: "127.0.0.1", ca, ALPNProtocols: [protocol], allowHalfOpen: true };
  return await opened(connectTls(options), "secureConnect");
}

async function opened(socket: Socket, event: string): Promise<Socket> {
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, event);
  socket.on("error", () => {});
  socket.resume();
  return socket;
}

function written(socket: Socket, bytes: string): Socket {
  socket.write(bytes, "latin1");
  return socket;
}
