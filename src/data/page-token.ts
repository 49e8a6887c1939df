import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { HubError } from "../errors.ts";
import { randomBytes } from "./random-bytes.ts";

/** What a token continues: the rest of the request must be the same. */
export interface PagedQuery {
  readonly userId: string;
  readonly dataType: string;
  readonly fromId: string;
  readonly beforeId: string;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ID_BYTES = 16;

/**
 * Makes the token that continues after an event: it is sealed, and opens only with the same query of the same user. It
 * authorizes nothing: whoever shows it is asked for his rights again.
 */
export function sealPageToken(key: KeyObject, query: PagedQuery, lastEventId: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(bytesOf(query));
  const sealed = cipher.update(lastEventId.replaceAll("-", ""), "hex");
  // This mode of AES gives nothing more at its end.
  cipher.final();
  return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString("base64url");
}

/** The id of the event to continue after. Throws INVALID_REQUEST, for every fault the same. */
export function openPageToken(key: KeyObject, query: PagedQuery, token: string): string {
  const bytes = Buffer.from(token, "base64url");
  try {
    if (bytes.length !== NONCE_BYTES + ID_BYTES + TAG_BYTES || bytes.toString("base64url") !== token) {
      throw new Error("not the form of a token");
    }
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES))
      .setAAD(bytesOf(query))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    const sealed = bytes.subarray(NONCE_BYTES, NONCE_BYTES + ID_BYTES);
    const hex = Buffer.concat([decipher.update(sealed), decipher.final()]).toString("hex");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  } catch (error) {
    const message =
      "page_token: is not one that this hub gave for this user and this query; repeat the query as it was, or start without a token";
    throw new HubError("INVALID_REQUEST", message, { cause: error });
  }
}

function bytesOf({ userId, dataType, fromId, beforeId }: PagedQuery): Buffer {
  return Buffer.from(JSON.stringify(["page", 2, userId, dataType, fromId, beforeId]));
}
