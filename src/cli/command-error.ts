/** What the command itself finds wrong. */
export type CommandErrorCode =
  | 'USAGE'
  | 'UNREACHABLE'
  | 'REFUSED'
  | 'OUTCOME_UNKNOWN'
  | 'INPUT'
  | 'OUTPUT'
  | 'INTERRUPTED';

/** The command itself knows what is wrong and what to do next. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: CommandErrorCode;

  constructor(code: CommandErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}

export function usageError(message: string): CommandError {
  return new CommandError('USAGE', message);
}
