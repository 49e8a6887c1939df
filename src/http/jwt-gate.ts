import { hash } from "node:crypto";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from "jose";
import { HubError } from "../errors.ts";
import type { Caller, IdentityGate } from "./identity.ts";

/** Rules that a token must meet. */
export interface JwtRules {
  readonly issuer: string;
  readonly audience: string;
  /** Signature algorithms that are accepted; all asymmetric. */
  readonly algorithms: readonly string[];
  /** Difference of clocks that is forgiven, in milliseconds. */
  readonly clockToleranceMs: number;
  /** Verified tokens that are remembered, at most. */
  readonly cacheEntries: number;
}

/** Where the keys are: a set already read, or an address to fetch it from. */
export type Keys = { readonly set: JSONWebKeySet } | { readonly url: URL };

/** Longer tokens are refused unread. */
const TOKEN_MAX_LENGTH = 16_384;

/**
 * Makes the gate of `auth: jwt`. A verified token is remembered until it expires, under its hash, so that a
 * signature is checked once. Remote keys are fetched when first needed and at most every 30 seconds.
 */
export function createJwtGate(keys: Keys, rules: JwtRules, now: () => number = Date.now): IdentityGate {
  const keySet =
    "set" in keys
      ? createLocalJWKSet(keys.set)
      : createRemoteJWKSet(keys.url, { cooldownDuration: 30_000, timeoutDuration: 5_000 });
  const verified = new Map<string, { caller: Caller; expires: number }>();
  // Only ever held against what came on the same connection, so that how long it takes tells no one of another's token.
  const last = new WeakMap<object, { readonly authorization: string; readonly key: string }>();

  async function verify(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, keySet, {
        algorithms: [...rules.algorithms],
        issuer: rules.issuer,
        audience: rules.audience,
        clockTolerance: rules.clockToleranceMs / 1000,
        requiredClaims: ["exp", "sub"],
        currentDate: new Date(now()),
      });
      return payload;
    } catch (error) {
      throw refusal(error);
    }
  }

  function keyOn(connection: object, authorization: string): string | undefined {
    const before = last.get(connection);
    if (before?.authorization === authorization) return before.key;
    const token = tokenIn(authorization);
    if (token === undefined) return undefined;
    const key = keyOf(token);
    last.set(connection, { authorization, key });
    return key;
  }

  function known(authorization: string | undefined, connection?: object): Caller | undefined {
    if (authorization === undefined) return undefined;
    const key = keyOn(connection ?? {}, authorization);
    const found = key === undefined ? undefined : verified.get(key);
    return found && found.expires > now() ? found.caller : undefined;
  }

  async function identify(authorization: string | undefined): Promise<Caller> {
    const remembered = known(authorization);
    if (remembered) return remembered;
    const token = bearerToken(authorization);
    const key = keyOf(token);
    verified.delete(key);
    const payload = await verify(token);
    const caller = callerOf(payload);
    // The oldest entry makes room: a Map keeps the order of insertion.
    const oldest = verified.size >= rules.cacheEntries ? verified.keys().next() : undefined;
    if (oldest && !oldest.done) verified.delete(oldest.value);
    verified.set(key, { caller, expires: (payload.exp ?? 0) * 1000 + rules.clockToleranceMs });
    return caller;
  }

  return { known, identify };
}

function tokenIn(authorization: string | undefined): string | undefined {
  if (!authorization || authorization.length > TOKEN_MAX_LENGTH + "Bearer ".length) return undefined;
  return /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization)?.[1];
}

function keyOf(token: string): string {
  return hash("sha256", token, "base64");
}

function bearerToken(authorization: string | undefined): string {
  if (!authorization) {
    throw new HubError(
      "TOKEN_MISSING",
      'this call needs a token; send it as "authorization: Bearer <token>"',
    );
  }
  const token = tokenIn(authorization);
  if (token === undefined) {
    throw new HubError("TOKEN_INVALID", 'the authorization header is not of the form "Bearer <token>"');
  }
  return token;
}

function callerOf(payload: JWTPayload): Caller {
  const { sub, scope, user_id: userId } = payload;
  if (scope !== undefined && typeof scope !== "string") {
    throw new HubError("TOKEN_INVALID", 'the token\'s "scope" is not text; write scopes with spaces between');
  }
  if (userId !== undefined && (typeof userId !== "string" || userId === "")) {
    throw new HubError("TOKEN_INVALID", 'the token\'s "user_id" is not text');
  }
  // "*" is what the hub itself means by every right; no token can claim it.
  const scopes = new Set((scope ?? "").split(" ").filter((item) => item !== "" && item !== "*"));
  return Object.freeze({ subject: sub ?? "", scopes, userId });
}

// What jose throws, as what the client may know of it. The token itself is never in a message.
function refusal(error: unknown): HubError {
  if (error instanceof errors.JWTExpired) {
    return new HubError("TOKEN_EXPIRED", "the token has expired; get a new one", { cause: error });
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    const message = `the token's "${error.claim}" is not accepted (${error.reason}); get a token for this hub`;
    return new HubError("TOKEN_INVALID", message, { cause: error, metadata: { claim: error.claim } });
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return new HubError("TOKEN_INVALID", "the token is signed with an algorithm that is not accepted", {
      cause: error,
    });
  }
  if (
    error instanceof errors.JWKSTimeout ||
    !(error instanceof errors.JOSEError) ||
    error.code === "ERR_JOSE_GENERIC"
  ) {
    return new HubError("KEYS_UNAVAILABLE", "the keys to check tokens with cannot be had now; try again", {
      cause: error,
    });
  }
  return new HubError("TOKEN_INVALID", "the token could not be verified", { cause: error });
}
