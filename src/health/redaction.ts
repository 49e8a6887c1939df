/** Characters of a reason or a warning that are kept. */
const TEXT_MAX = 500;
/** Shorter secrets are not looked for in texts, where they would stand for much else. */
const SECRET_MIN = 3;

/** An address without what must not be told: credentials, and whatever is asked for after a "?". */
export function publicAddress(address: string): string {
  const bare = address.replace(/[?#].*$/s, "");
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*:\/\/)?(.*)$/is.exec(bare) ?? [];
  // A password that nobody has escaped may hold any of "/", ":" and "@".
  return scheme + rest.slice(rest.lastIndexOf("@") + 1);
}

/** Makes texts fit to be told to anyone: without the secrets of the addresses, on one line, and not without end. */
export function redactor(addresses: readonly string[]): (text: string) => string {
  const secrets = addresses.flatMap(secretsOf).sort((a, b) => b.length - a.length);
  return (text) => {
    let told = text.replace(/\s+/g, " ").trim();
    for (const secret of secrets) told = told.replaceAll(secret, "***");
    told = told.replace(/(\w:\/\/)[^\s/@]*@/g, "$1***@");
    return told.length > TEXT_MAX ? `${told.slice(0, TEXT_MAX)}…` : told;
  };
}

// The user is no secret where a password stands beside it; alone it may be a token.
function secretsOf(address: string): string[] {
  const credentials = /^(?:[a-z][a-z0-9+.-]*:\/\/)?([^?#]*)@/is.exec(address)?.[1];
  const found: string[] = [];
  if (credentials !== undefined) found.push(credentials, credentials.slice(credentials.indexOf(":") + 1));
  const query = /\?([^#]*)/s.exec(address)?.[1];
  for (const [name, value] of new URLSearchParams(query)) {
    if (/pass|secret|token|key|auth|sig/i.test(name)) found.push(value);
  }
  const all = new Set([...found, ...found.map(decoded)]);
  return [...all].filter((secret) => secret.length >= SECRET_MIN);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
