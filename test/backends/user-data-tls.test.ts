import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { expect, it } from "vitest";
import { failure } from "../rpc/release-hub.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { type PostgresServer, startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith, program } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";

const PASSWORD = "p%w:of@the owner";
const LOGIN = { userId: "tls", eventType: "login", eventJson: "{}" };

const find = async () => {
  await postgresProgram();
  return await program("openssl");
};

// The server's own user makes the key, in its data directory: it takes nobody else's.
async function turnOnTls(server: PostgresServer, openssl: string): Promise<string> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  const make = `${openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout server.key -out server.crt`;
  await client.query(`COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; ${make} 2> /dev/null'`);
  await client.query("ALTER SYSTEM SET ssl = on");
  await client.query("SELECT pg_reload_conf()");
  const { rows } = await client.query<{ certificate: string }>(
    "SELECT pg_read_file('server.crt') AS certificate",
  );
  await client.end();
  const file = join(await temporaryDirectory(), "ca.pem");
  await writeFile(file, rows[0]?.certificate ?? "");
  return file;
}

await describeWith("PostgreSQL with TLS and a password by SCRAM", find, (openssl) => {
  it("is used when its certificate is right, and refused when not", async () => {
    const server = await startPostgres({ own: true, fsync: false, password: PASSWORD });
    try {
      const authority = await turnOnTls(server, openssl);
      const hubWith = async (host: string, query: string, password = PASSWORD) => {
        const url = new URL(server.url);
        url.hostname = host;
        url.search = query;
        url.password = encodeURIComponent(password);
        const hub = await startTestHub({ databaseUrl: url.href, databaseAllowBypass: true });
        return userDataClient(hub.url);
      };
      const verified = `?sslmode=verify-full&sslrootcert=${encodeURIComponent(authority)}`;
      const client = await hubWith("localhost", verified);
      await client.saveUserEvent(LOGIN);
      expect((await client.getUserData({ userId: "tls", dataType: "auth" })).events).toHaveLength(1);
      expect(await encrypted(server.url)).toEqual([true]);

      const refusals: readonly (readonly [string, string, RegExp, string?])[] = [
        // An address that is not in the certificate.
        ["127.0.0.1", verified, /altnames|does not match/i],
        // An authority that this machine does not know.
        ["localhost", "?sslmode=verify-full", /self-signed certificate/],
        ["localhost", verified, /password authentication failed/, "wrong"],
      ];
      for (const [host, query, why, password] of refusals) {
        const refused = await failure((await hubWith(host, query, password)).saveUserEvent(LOGIN));
        expect(refused.message).toMatch(why);
        expect(refused.message).not.toContain(PASSWORD);
        expect(refused.reason).toMatch(/DATABASE_UN/);
      }
    } finally {
      await server.stop();
    }
  });
});

// Whether the hub's connections are.
async function encrypted(url: string): Promise<boolean[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ ssl: boolean }>(
    "SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'central-hub'",
  );
  await client.end();
  return rows.map(({ ssl }) => ssl);
}
