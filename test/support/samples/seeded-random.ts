/** Chance that is the same in every run. */
import type { Random } from '../../../src/ports/random.ts';
import { fractions } from '../../../src/system/random.ts';

const digits = '0123456789abcdefghijklmnopqrstuvwxyz';

export function seededRandom(seed = 1): Random {
  const fraction = fractions(Uint32Array.of(seed, seed ^ 0x9e3779b9, seed ^ 0x243f6a88, 1));
  return {
    fraction,
    token: (length) => {
      let text = '';
      while (text.length < length) text += digits[Math.floor(fraction() * digits.length)];
      return text;
    },
  };
}
