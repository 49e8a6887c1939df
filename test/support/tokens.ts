import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { Settings } from "../../src/settings/settings.ts";
import { temporaryDirectory } from "./hub.ts";

/** An issuer of tokens for a test, and the settings of a hub that trusts it. */
export interface Issuer {
  readonly settings: Partial<Settings>;
  /** A token with these scopes, separated by spaces, and other claims. */
  token(scope: string, claims?: Record<string, unknown>): Promise<string>;
}

/** Makes an issuer with a key of its own. */
export async function createIssuer(): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: "test", alg: "ES256" };
  const directory = await temporaryDirectory({ "jwks.json": JSON.stringify({ keys: [jwk] }) });
  return {
    settings: {
      auth: "jwt",
      jwtJwks: `${directory}/jwks.json`,
      jwtIssuer: "https://issuer.test",
      jwtAudience: "central-hub",
    },
    token: (scope, claims = {}) =>
      new SignJWT({ scope, ...claims })
        .setProtectedHeader({ alg: "ES256", kid: "test" })
        .setSubject("test-service")
        .setIssuer("https://issuer.test")
        .setAudience("central-hub")
        .setExpirationTime("5m")
        .sign(privateKey),
  };
}
