/** What someone asked for and does not get, with what to do instead. Nothing was changed. */
export class Refusal extends Error {
  /** Of the process: 2 for a command line that says nothing, 1 for a place that will not do. */
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Names of others on their way to a terminal, which must not obey them. */
export function shown(text: string): string {
  return JSON.stringify(text.replaceAll(/\p{C}/gu, '?'));
}
