/** From anything thrown to what a person reads and what the exit code says. */
import { errorCatalogue } from '../core/catalogue.ts';
import { thrownStack } from '../core/thrown.ts';
import { isVerdictError, type VerdictError } from '../peer/verdict-error.ts';
import { isForOperator } from '../store/operator-error.ts';
import { SecretFileError } from '../system/secret-file.ts';
import { CommandError, type CommandErrorCode } from './command-error.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { harmless } from './text.ts';

const exitCodeOfCommandError: Readonly<Record<CommandErrorCode, ExitCode>> = {
  USAGE: exitCodes.usage,
  UNREACHABLE: exitCodes.unreachable,
  REFUSED: exitCodes.notDone,
  OUTCOME_UNKNOWN: exitCodes.notDone,
  INPUT: exitCodes.fault,
  OUTPUT: exitCodes.fault,
  INTERRUPTED: exitCodes.interrupted,
};

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
 * What the node said, and the catalogue's advice if the words are its own. Not where it knows more
 * than the catalogue, whose several causes would contradict the one that it names.
 */
function adviceOn(error: VerdictError): string {
  if (saysAll.has(error.code)) return error.message;
  if (error.code === 'UNAUTHENTICATED') return `${error.message} ${credentialAdvice}`;
  const advice = Object.hasOwn(errorCatalogue, error.code)
    ? errorCatalogue[error.code as keyof typeof errorCatalogue].text
    : '';
  if (advice === '' || error.message.includes(advice)) return error.message;
  return `${error.message} ${advice}`;
}

const credentialAdvice =
  'Show what the node asks for: --token-file, --jwt-file, or --tls-cert and --tls-key.';

/** A state, or a name; the one rule that was broken; why there is none of that id, or that name. */
const saysAll: ReadonlySet<string> = new Set([
  'WRONG_STATE',
  'FORBIDDEN',
  'UNKNOWN_TRANSACTION',
  'UNKNOWN_BRANCH',
]);
