/** JSON from files that people write, and may name in the place of one with a secret. */
import { thrownText } from '../core/thrown.ts';

/** Throws what is wrong with it, and where: without what stands there, which the parser quotes. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(thrownText(error).replace(/, .* is not/s, ' is not'));
  }
}
