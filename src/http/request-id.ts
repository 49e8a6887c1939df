import { randomUUID } from "node:crypto";

/** The id of a request: the client's own when it is fit for a log, else a new one. */
export function requestIdOf(header: string | null | undefined): string {
  return header && /^[\w.:-]{1,64}$/.test(header) ? header : randomUUID();
}
