import { createValidator, type Validator } from "@bufbuild/protovalidate";

/**
 * Checks messages against the rules in their .proto. One for all: what it makes of the rules of a type takes time and memory,
 * and documents and requests share types.
 */
export const validator: Validator = createValidator({ regexMatch: matches });

const compiled = new Map<string, RegExp>();

// The rules' own engine takes a text letter by letter in JavaScript, for patterns of strangers; these are the contract's
// own, and take a time that grows with the text alone in V8's as well.
function matches(pattern: string, text: string): boolean {
  let expression = compiled.get(pattern);
  if (!expression) {
    expression = new RegExp(inJavaScript(pattern), "u");
    compiled.set(pattern, expression);
  }
  return expression.test(text);
}

/** A pattern of RE2's syntax, as far as the contract uses it: there `\s` is white space of ASCII alone. */
export function inJavaScript(pattern: string): string {
  return pattern.replaceAll(String.raw`\s`, String.raw`\t\n\f\r `);
}
