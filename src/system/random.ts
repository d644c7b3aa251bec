/** Tokens that no one can guess, and cheap fractions for jitter and choices. */
import { randomFillSync } from 'node:crypto';
import type { Random } from '../ports/random.ts';

const digits = '0123456789abcdefghijklmnopqrstuvwxyz';
/** The largest multiple of 36 in a byte: bytes from here on would make low digits likelier. */
const fairBytes = 252;

/**
 * The generator sfc32 ("small fast counting", PractRand): fractions in [0, 1) with 53 random bits.
 * The same four words give the same sequence; not for anything that must be unguessable.
 */
export function fractions(seed: Uint32Array): () => number {
  let [a = 0, b = 0, c = 0, counter = 1] = seed;
  const word = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round += 1) word();
  return () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53;
}

function tokens(): (length: number) => string {
  // One call to the generator of the operating system costs more than a thousand digits.
  const pool = new Uint8Array(4_096);
  let next = pool.length;
  return (length) => {
    let text = '';
    while (text.length < length) {
      if (next === pool.length) {
        randomFillSync(pool);
        next = 0;
      }
      const byte = pool[next] as number;
      next += 1;
      if (byte < fairBytes) text += digits[byte % digits.length];
    }
    return text;
  };
}

export const systemRandom: Random = {
  fraction: fractions(randomFillSync(new Uint32Array(4))),
  token: tokens(),
};
