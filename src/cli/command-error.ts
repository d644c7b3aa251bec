/** From anything thrown to what a person reads and what the exit code says. */
import { errorCatalogue } from '../core/catalogue.ts';
import { thrownStack } from '../core/thrown.ts';
import { isVerdictError, type VerdictError } from '../peer/verdict-error.ts';
import { isForOperator } from '../store/operator-error.ts';
import { SecretFileError } from '../system/secret-file.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { harmless } from './text.ts';

export type CommandErrorCode =
  | 'USAGE'
  | 'UNREACHABLE'
  | 'REFUSED'
  | 'INPUT'
  | 'OUTPUT'
  | 'INTERRUPTED';

const exitCodeOfCommandError: Readonly<Record<CommandErrorCode, ExitCode>> = {
  USAGE: exitCodes.usage,
  UNREACHABLE: exitCodes.unreachable,
  REFUSED: exitCodes.notDone,
  INPUT: exitCodes.fault,
  OUTPUT: exitCodes.fault,
  INTERRUPTED: exitCodes.interrupted,
};

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

export interface Complaint {
  readonly code: string;
  readonly message: string;
  readonly exitCode: ExitCode;
}

export function complaintOf(error: unknown): Complaint {
  if (error instanceof CommandError) {
    const { code, message } = error;
    return { code, message, exitCode: exitCodeOfCommandError[code] };
  }
  if (error instanceof SecretFileError || (error instanceof Error && isForOperator(error))) {
    return { code: 'INPUT', message: error.message, exitCode: exitCodes.fault };
  }
  if (isVerdictError(error)) {
    const { code } = error;
    const isGone = code === 'CONNECTION_LOST' || code === 'TIMEOUT';
    const exitCode = isGone ? exitCodes.unreachable : exitCodes.notDone;
    // One line: what a node says must not look like a second one of this program's.
    return { code, message: harmless(adviceOn(error)), exitCode };
  }
  // A fault of this program, or one of the system's: the stack is for whoever mends it.
  return { code: 'FAULT', message: thrownStack(error), exitCode: exitCodes.fault };
}

/**
 * What the node said, and the catalogue's advice if the words are its own. Not for WRONG_STATE:
 * there the catalogue speaks of the state, but a node may speak of a name.
 */
function adviceOn(error: VerdictError): string {
  if (error.code === 'WRONG_STATE') return error.message;
  const advice = Object.hasOwn(errorCatalogue, error.code)
    ? errorCatalogue[error.code as keyof typeof errorCatalogue].text
    : '';
  if (advice === '' || error.message.includes(advice)) return error.message;
  return `${error.message} ${advice}`;
}
