/** Where a topic that no document declares is put. */
export interface Place {
  readonly domain: string;
  readonly key: string;
  /** Whether the name had characters that a domain or a key cannot have. */
  readonly isEscaped: boolean;
}

const KEY_MAX = 128;
const DOMAIN_MAX = 64;
const SUFFIX = "_domain";

/**
 * The domain and the key for a topic: "user_domain" and "auth" for "user.auth". `domain` is for all of them; empty: the
 * part before the first dot makes it. `isTaken` tells what another topic has already.
 */
export function placeFor(
  name: string,
  domain: string,
  isTaken: (domain: string, key: string) => boolean,
): Place {
  const dot = name.indexOf(".");
  const prefix = dot > 0 ? name.slice(0, dot) : name;
  const rest = dot > 0 ? name.slice(dot + 1) : name;
  const own = asDomain(prefix);
  const chosen = domain || own.text;
  // In a domain that its name does not tell of, a topic keeps the whole of it.
  const wanted = asKey(chosen === own.text ? rest : name);
  let key = wanted.text;
  for (let number = 2; isTaken(chosen, key); number++) {
    const suffix = `_${number}`;
    key = wanted.text.slice(0, KEY_MAX - suffix.length) + suffix;
  }
  const isEscaped = (domain === "" && own.isEscaped) || wanted.isEscaped || key !== wanted.text;
  return { domain: chosen, key, isEscaped };
}

function asDomain(prefix: string): { text: string; isEscaped: boolean } {
  const lower = prefix.toLowerCase().replaceAll(/[^a-z0-9_]/g, "_");
  const text = /^[a-z]/.test(lower) ? lower : `topics_${lower}`;
  return { text: text.slice(0, DOMAIN_MAX - SUFFIX.length) + SUFFIX, isEscaped: text !== prefix };
}

function asKey(rest: string): { text: string; isEscaped: boolean } {
  const plain = rest.toLowerCase().replaceAll(/[^a-z0-9_-]/g, "_");
  const text = (/^[a-z0-9]/.test(plain) ? plain : `topic${plain}`).slice(0, KEY_MAX);
  return { text, isEscaped: text !== rest };
}
