import type { ErrorCode } from '../core/catalogue.ts';

/**
 * WebSocket close codes: 1002 not the protocol (a message that is no map, a key that is no string),
 * 1003 an extension type, 1007 broken bytes or text, 1008 too deep or too many, 1009 too many
 * bytes.
 */
export type FrameCloseCode = 1002 | 1003 | 1007 | 1008 | 1009;

/** Nothing later on this connection can be trusted: answer with an `error` and close. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly closeCode: FrameCloseCode;
  readonly code: ErrorCode;

  constructor(closeCode: FrameCloseCode, message: string) {
    super(message);
    this.closeCode = closeCode;
    this.code = codeOf(closeCode);
  }
}

/** Told as soon as it is known: counting on to the end of many megabytes would take seconds. */
export function tooManyElements(max: number): FrameError {
  return new FrameError(1008, `A message holds more than ${max} keys and values.`);
}

function codeOf(closeCode: FrameCloseCode): ErrorCode {
  if (closeCode === 1009) return 'TOO_LARGE';
  return closeCode === 1008 ? 'LIMIT_EXCEEDED' : 'INVALID_MESSAGE';
}
