import { readFile } from "node:fs/promises";
import type { Settings } from "../settings/settings.ts";
import type { Tls } from "./listener.ts";

/** The certificate and its key that the settings name; undefined without TLS. Throws what reading files throws. */
export async function readTls(settings: Settings): Promise<Tls | undefined> {
  if (!settings.tlsCert) return undefined;
  const [cert, key] = await Promise.all([
    readFile(settings.tlsCert, "utf8"),
    readFile(settings.tlsKey, "utf8"),
  ]);
  return { cert, key };
}
