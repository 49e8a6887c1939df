import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";

/** What signs records of removed events and seals of exports. */
export interface HistorySigner {
  /** The thumbprint of its public key, as RFC 7638 makes it. */
  readonly keyId: string;
  readonly publicKey: KeyObject;
  sign(bytes: Buffer): Buffer;
}

/** Public keys by their ids. */
export type HistoryKeys = ReadonlyMap<string, KeyObject>;

/** A signer of a private key in PEM. Throws when it is not one of Ed25519. */
export function historySigner(pem: string): HistorySigner {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== "ed25519") throw new Error("the key is not one of Ed25519");
  const publicKey = createPublicKey(key);
  return { keyId: keyIdOf(publicKey), publicKey, sign: (bytes) => sign(null, bytes, key) };
}

/**
 * The Ed25519 public keys in a text: a JSON Web Key Set, or keys in PEM one after another. Keys of other kinds are left
 * out. Throws when the text is neither, or holds none.
 */
export function readHistoryKeys(text: string): HistoryKeys {
  const keys = (text.includes("-----BEGIN") ? pemKeys(text) : jwksKeys(text)).filter(
    ({ asymmetricKeyType }) => asymmetricKeyType === "ed25519",
  );
  if (keys.length === 0) throw new Error("holds no public key of Ed25519, neither as a JWKS nor in PEM");
  return new Map(keys.map((key) => [keyIdOf(key), key]));
}

/** Keys as a JSON Web Key Set, in their order. */
export function jwksText(keys: Iterable<KeyObject>): string {
  const list = [...keys].map((key) => ({
    ...key.export({ format: "jwk" }),
    kid: keyIdOf(key),
    use: "sig",
    alg: "EdDSA",
  }));
  return JSON.stringify({ keys: list });
}

/** Whether a signature is that of the key of this id over these bytes; undefined when the key is not among them. */
export function isSignedBy(
  keys: HistoryKeys,
  keyId: string,
  bytes: Buffer,
  signature: Buffer,
): boolean | undefined {
  const key = keys.get(keyId);
  return key && verify(null, bytes, key, signature);
}

function keyIdOf(key: KeyObject): string {
  const { crv, kty, x } = key.export({ format: "jwk" });
  return createHash("sha256").update(JSON.stringify({ crv, kty, x })).digest("base64url");
}

function pemKeys(text: string): KeyObject[] {
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[^-]*-----END \1-----/g) ?? [];
  return blocks.map((pem) => createPublicKey(pem));
}

function jwksKeys(text: string): KeyObject[] {
  const value = JSON.parse(text) as { readonly keys?: unknown };
  if (!Array.isArray(value?.keys)) throw new Error('is no JSON Web Key Set: it has no list "keys"');
  return value.keys
    .filter((jwk) => jwk?.kty === "OKP" && jwk.crv === "Ed25519")
    .map((jwk) => createPublicKey({ key: { kty: jwk.kty, crv: jwk.crv, x: jwk.x }, format: "jwk" }));
}
