import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { describeWith, program } from "../support/toolchains.ts";
import { output } from "../wire/clients/programs.ts";
import { follow, until } from "./support.ts";

await describeWith(
  "a hub with a certificate of one's own",
  () => program("openssl"),
  (openssl) => {
    it.each(["grpc", "connect"] as const)(
      "is followed over %s, and by nobody who does not trust it",
      async (protocol) => {
        const directory = await temporaryDirectory();
        const tlsCert = join(directory, "cert.pem");
        const tlsKey = join(directory, "key.pem");
        const key = [
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:prime256v1",
          "-nodes",
          "-keyout",
          tlsKey,
        ];
        const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
        await output(openssl, ["req", "-x509", ...key, ...names, "-days", "2", "-out", tlsCert]);
        const hub = await startTestHub({ tlsCert, tlsKey });
        const client = follow({ url: hub.url, protocol, tls: { ca: await readFile(tlsCert, "utf8") } });
        expect((await client.ready()).source).toBe("live");
        const stranger = follow({ url: hub.url, protocol });
        await until(() => stranger.errors.length > 1);
        expect(String(stranger.errors[0])).toMatch(/self-signed certificate/);
      },
    );
  },
);
