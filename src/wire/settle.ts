/** What both forms do once they know where a message ends and what it holds. */
import { FrameError } from './frame-error.ts';
import { maxFrameMessages, type WireLimits } from './limits.ts';
import { type Decoded, type Direction, problem, type Readers, validate } from './validate.ts';

/** Why one message is refused although its frame can be read. */
export type Finding = 'too-deep' | 'proto-key' | 'half-character' | 'wide-integer' | 'not-finite';

const invalid: Readonly<Record<Exclude<Finding, 'too-deep'>, string>> = {
  'proto-key': 'The message has the key `__proto__`, which is refused everywhere. Rename it.',
  'half-character':
    'A string of the message holds half of a surrogate pair, which is no character.',
  'wide-integer': 'The message holds an integer of more than 64 bits. Send it as a string.',
  'not-finite':
    'The message holds NaN, an infinity or a number beyond every double, which one of its forms cannot carry. Send null or a string.',
};

export function settle<D extends Direction>(
  value: Record<string, unknown>,
  finding: Finding | null,
  options: { readonly readers: Readers<D>; readonly limits: WireLimits },
): Decoded<D> {
  if (finding === null) return validate(value, options.readers, options.limits);
  if (finding !== 'too-deep') return problem(value, 'INVALID_MESSAGE', invalid[finding]);
  const text = `The message nests maps and arrays deeper than ${options.limits.maxDepth} levels.`;
  return problem(value, 'LIMIT_EXCEEDED', text);
}

export function checkMessageCount(count: number): void {
  if (count > maxFrameMessages) {
    throw new FrameError(1008, `The frame holds more than ${maxFrameMessages} messages.`);
  }
}
