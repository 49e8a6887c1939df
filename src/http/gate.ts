import { readFile } from "node:fs/promises";
import type { Settings } from "../settings/settings.ts";
import { type IdentityGate, openGate } from "./identity.ts";

/** The gate that the settings ask for. Throws what reading the keys' file throws. */
export async function gateOf(settings: Settings): Promise<IdentityGate> {
  if (settings.auth === "none") return openGate;
  const { createJwtGate } = await import("./jwt-gate.ts");
  const rules = {
    issuer: settings.jwtIssuer,
    audience: settings.jwtAudience,
    algorithms: settings.jwtAlgorithms,
    clockToleranceMs: settings.jwtClockToleranceMs,
    cacheEntries: settings.jwtCacheEntries,
  };
  const keys = /^https?:\/\//.test(settings.jwtJwks)
    ? { url: new URL(settings.jwtJwks) }
    : { set: JSON.parse(await readFile(settings.jwtJwks, "utf8")) };
  return createJwtGate(keys, rules);
}
