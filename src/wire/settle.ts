/** What both forms do once they know where a message ends and what it holds. */
import type { ErrorCode } from '../core/catalogue.ts';
import { FrameError } from './frame-error.ts';
import { maxFrameMessages, type WireLimits } from './limits.ts';
import { type Decoded, type Direction, problem, validate } from './validate.ts';

/** Why one message is refused although its frame can be read. */
export type Finding = 'too-deep' | 'proto-key' | 'half-character' | 'wide-integer' | 'not-finite';

const findings: Readonly<
  Record<Finding, { code: ErrorCode; text: (limits: WireLimits) => string }>
> = {
  'too-deep': {
    code: 'LIMIT_EXCEEDED',
    text: (limits) => `The message nests maps and arrays deeper than ${limits.maxDepth} levels.`,
  },
  'proto-key': {
    code: 'INVALID_MESSAGE',
    text: () => 'The message has the key `__proto__`, which is refused everywhere. Rename it.',
  },
  'half-character': {
    code: 'INVALID_MESSAGE',
    text: () => 'A string of the message holds half of a surrogate pair, which is no character.',
  },
  'wide-integer': {
    code: 'INVALID_MESSAGE',
    text: () => 'The message holds an integer of more than 64 bits. Send it as a string.',
  },
  'not-finite': {
    code: 'INVALID_MESSAGE',
    text: () =>
      'The message holds NaN, an infinity or a number beyond every double, which one of its forms cannot carry. Send null or a string.',
  },
};

export function settle<D extends Direction>(
  value: Record<string, unknown>,
  finding: Finding | null,
  options: { readonly direction: D; readonly limits: WireLimits },
): Decoded<D> {
  if (finding === null) return validate(value, options.direction, options.limits);
  const { code, text } = findings[finding];
  return problem(value, code, text(options.limits));
}

export function checkMessageCount(count: number): void {
  if (count > maxFrameMessages) {
    throw new FrameError(1008, `The frame holds more than ${maxFrameMessages} messages.`);
  }
}
