import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { HubError, type Reason } from "../../src/errors.ts";
import { admit, type IdentityGate } from "../../src/http/identity.ts";
import { createJwtGate, type JwtRules } from "../../src/http/jwt-gate.ts";

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

const RULES: JwtRules = {
  issuer: "https://issuer.test",
  audience: "central-hub",
  algorithms: ["ES256", "RS256"],
  clockToleranceMs: 1000,
  cacheEntries: 3,
};

let ec: Pair;
let rsa: Pair;
let gate: IdentityGate;
let keys: { keys: object[] };

beforeAll(async () => {
  ec = await generateKeyPair("ES256", { extractable: true });
  rsa = await generateKeyPair("RS256", { extractable: true });
  keys = {
    keys: [
      { ...(await exportJWK(ec.publicKey)), kid: "ec", alg: "ES256" },
      { ...(await exportJWK(rsa.publicKey)), kid: "rsa", alg: "RS256" },
    ],
  };
  gate = createJwtGate({ set: keys as never }, RULES);
});

interface Wanted {
  claims?: JWTPayload;
  issuer?: string;
  audience?: string;
  expires?: string | number;
  pair?: Pair;
}

async function token({
  claims = {},
  issuer = RULES.issuer,
  audience = RULES.audience,
  expires = "5m",
  pair = ec,
}: Wanted = {}) {
  const header = pair === rsa ? { alg: "RS256", kid: "rsa" } : { alg: "ES256", kid: "ec" };
  return await new SignJWT({ scope: "config:read", ...claims })
    .setProtectedHeader(header)
    .setSubject("svc")
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime(expires)
    .sign(pair.privateKey);
}

async function refusal(authorization: string | undefined, asked: IdentityGate = gate): Promise<HubError> {
  try {
    await asked.identify(authorization);
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  throw new Error("the token was accepted");
}

describe("a token", () => {
  it("says who calls and what they may do", async () => {
    const bearer = `Bearer ${await token({ claims: { scope: "config:read health:read", user_id: "u1" } })}`;
    const caller = await gate.identify(bearer);
    expect(caller.subject).toBe("svc");
    expect([...caller.scopes]).toEqual(["config:read", "health:read"]);
    expect(caller.userId).toBe("u1");
  });

  it("cannot claim every right", async () => {
    const caller = await gate.identify(`Bearer ${await token({ claims: { scope: "*" } })}`);
    await expect(
      admit({ known: () => undefined, identify: () => caller }, { scope: "config:read" }, ""),
    ).rejects.toMatchObject({
      reason: "SCOPE_MISSING",
    });
  });

  it.each<[string, () => Promise<string | undefined>, Reason]>([
    ["that is missing", async () => undefined, "TOKEN_MISSING"],
    ["of another scheme", async () => "Basic dXNlcjpwYXNz", "TOKEN_INVALID"],
    ["that is not a JWT", async () => "Bearer nonsense", "TOKEN_INVALID"],
    ["that is longer than 16 KiB", async () => `Bearer ${"a".repeat(17_000)}`, "TOKEN_INVALID"],
    [
      "that has expired",
      async () => `Bearer ${await token({ expires: Math.floor(Date.now() / 1000) - 60 })}`,
      "TOKEN_EXPIRED",
    ],
    ["for another audience", async () => `Bearer ${await token({ audience: "other" })}`, "TOKEN_INVALID"],
    [
      "of another issuer",
      async () => `Bearer ${await token({ issuer: "https://evil.test" })}`,
      "TOKEN_INVALID",
    ],
    [
      "that is not valid yet",
      async () => `Bearer ${await token({ claims: { nbf: Math.floor(Date.now() / 1000) + 600 } })}`,
      "TOKEN_INVALID",
    ],
    [
      "whose scope is not text",
      async () => `Bearer ${await token({ claims: { scope: ["config:read"] } })}`,
      "TOKEN_INVALID",
    ],
    [
      "whose user_id is empty",
      async () => `Bearer ${await token({ claims: { user_id: "" } })}`,
      "TOKEN_INVALID",
    ],
    [
      "signed by someone else",
      async () => `Bearer ${await token({ pair: await generateKeyPair("ES256") })}`,
      "TOKEN_INVALID",
    ],
  ])("%s is refused", async (_case, make, reason) => {
    const error = await refusal(await make());
    expect(error.reason).toBe(reason);
    expect(error.message).not.toContain("eyJ");
  });

  it('with "alg: none" is refused', async () => {
    const unsigned = new UnsecuredJWT({ scope: "config:read", sub: "svc" })
      .setIssuer(RULES.issuer)
      .setAudience(RULES.audience)
      .setExpirationTime("5m")
      .encode();
    expect((await refusal(`Bearer ${unsigned}`)).reason).toBe("TOKEN_INVALID");
  });

  it("signed as HS256 with the public key as its secret is refused", async () => {
    const secret = new TextEncoder().encode(await exportSPKI(rsa.publicKey));
    const forged = await new SignJWT({ scope: "config:read" })
      .setProtectedHeader({ alg: "HS256", kid: "rsa" })
      .setSubject("svc")
      .setIssuer(RULES.issuer)
      .setAudience(RULES.audience)
      .setExpirationTime("5m")
      .sign(secret);
    expect((await refusal(`Bearer ${forged}`)).reason).toBe("TOKEN_INVALID");
  });

  it("without an expiry or a subject is refused", async () => {
    const header = { alg: "ES256", kid: "ec" };
    const base = () =>
      new SignJWT({}).setProtectedHeader(header).setIssuer(RULES.issuer).setAudience(RULES.audience);
    const eternal = await base().setSubject("svc").sign(ec.privateKey);
    const nameless = await base().setExpirationTime("5m").sign(ec.privateKey);
    expect((await refusal(`Bearer ${eternal}`)).reason).toBe("TOKEN_INVALID");
    expect((await refusal(`Bearer ${nameless}`)).reason).toBe("TOKEN_INVALID");
  });

  it("that was accepted is refused once it has expired, although it is remembered", async () => {
    let now = Date.now();
    const clocked = createJwtGate({ set: keys as never }, RULES, () => now);
    const bearer = `Bearer ${await token({ expires: "10s" })}`;
    await clocked.identify(bearer);
    now += 60_000;
    expect((await refusal(bearer, clocked)).reason).toBe("TOKEN_EXPIRED");
  });
});

describe("keys from an address", () => {
  it("are fetched once for many tokens, and their loss is not the token's fault", async () => {
    let fetches = 0;
    const server = createServer((_request, response) => {
      fetches += 1;
      response.setHeader("content-type", "application/json").end(JSON.stringify(keys));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const remote = createJwtGate({ url: new URL(`http://127.0.0.1:${port}/jwks`) }, RULES);
    for (let round = 0; round < 10; round++) {
      await remote.identify(`Bearer ${await token({ claims: { jti: String(round) } })}`);
    }
    expect(fetches).toBe(1);

    const gone = createJwtGate({ url: new URL("http://127.0.0.1:9/jwks") }, RULES);
    expect((await refusal(`Bearer ${await token()}`, gone)).reason).toBe("KEYS_UNAVAILABLE");
  });

  it("are not fetched again and again for tokens with unknown keys", async () => {
    let fetches = 0;
    const server = createServer((_request, response) => {
      fetches += 1;
      response.setHeader("content-type", "application/json").end(JSON.stringify(keys));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const remote = createJwtGate({ url: new URL(`http://127.0.0.1:${port}/jwks`) }, RULES);
    const other = await generateKeyPair("ES256");
    for (let round = 0; round < 20; round++) {
      const forged = await new SignJWT({})
        .setProtectedHeader({ alg: "ES256", kid: `unknown-${round}` })
        .setSubject("svc")
        .setIssuer(RULES.issuer)
        .setAudience(RULES.audience)
        .setExpirationTime("5m")
        .sign(other.privateKey);
      expect((await refusal(`Bearer ${forged}`, remote)).reason).toBe("TOKEN_INVALID");
    }
    expect(fetches).toBeLessThanOrEqual(2);
  });
});
