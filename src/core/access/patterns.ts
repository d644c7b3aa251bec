/** What a rule names: a text as it is, or all that begin with what stands before a last `*`. */
export class Patterns {
  private readonly literals: ReadonlySet<string>;
  private readonly prefixes: readonly string[];

  constructor(patterns: readonly string[]) {
    this.literals = new Set(patterns.filter((pattern) => !isPrefix(pattern)));
    this.prefixes = patterns.filter(isPrefix).map((pattern) => pattern.slice(0, -1));
  }

  match(text: string): boolean {
    return this.literals.has(text) || this.prefixes.some((prefix) => text.startsWith(prefix));
  }
}

export function isPrefix(pattern: string): boolean {
  return pattern.endsWith('*');
}
