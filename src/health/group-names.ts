const PLACEHOLDER = /\{[a-z][a-z0-9_]*\}/g;

/** Finds the declared name that a live group goes by; undefined when none fits. */
export type MatchGroup = (liveName: string) => string | undefined;

/** Whether a declared name stands for one group for each value of a placeholder. */
export function isPattern(declaredName: string): boolean {
  return declaredName.search(PLACEHOLDER) !== -1;
}

/**
 * Matches live groups with declared names. A placeholder stands for one character or more. Where several names fit, the
 * most specific wins: the name itself before any pattern, then the pattern with the most characters of its own.
 */
export function groupMatcher(declaredNames: Iterable<string>): MatchGroup {
  const exact = new Set<string>();
  const patterns: { readonly name: string; readonly own: number; readonly form: RegExp }[] = [];
  for (const name of declaredNames) {
    if (isPattern(name)) {
      const parts = name.split(PLACEHOLDER);
      const form = new RegExp(`^${parts.map(escaped).join(".+")}$`, "s");
      patterns.push({ name, own: parts.join("").length, form });
    } else {
      exact.add(name);
    }
  }
  patterns.sort((a, b) => b.own - a.own || (a.name < b.name ? -1 : 1));
  return (liveName) =>
    exact.has(liveName) ? liveName : patterns.find(({ form }) => form.test(liveName))?.name;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
