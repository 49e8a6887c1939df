import { HubError, requestTooLarge } from "../errors.ts";
import type { Request } from "./listener.ts";

/** The body of a request as text, of at most so many bytes. Throws REQUEST_TOO_LARGE, or INVALID_REQUEST when it is no UTF-8. */
export async function bodyOf(request: Request, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  // A request that is left unread must stay open for its answer.
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    bytes += (part as Buffer).length;
    if (bytes > maxBytes) throw requestTooLarge(maxBytes);
    parts.push(part as Buffer);
  }
  if (!request.complete) throw new HubError("INVALID_REQUEST", "body: has not come whole; send it again");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
  } catch (error) {
    throw new HubError("INVALID_REQUEST", "body: is not UTF-8", { cause: error });
  }
}
