/** Secrets are compared in constant time, everywhere. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { checkSecrets, comparisons } from '../../../scripts/lint/secrets.ts';

it.each([
  ['a token', 'if (hello.token === token) open();'],
  ['a token of its own', 'if (this.#token !== brought) refuse();'],
  ['a proof that was computed', 'const right = proofOf(url) == shown;'],
  ['a share, as bytes', 'return brought.equals(wantedShare);'],
  ['a nonce, among others', 'return known.includes(hello?.nonce);'],
])('finds %s that is compared character by character', (_what, source) => {
  expect(comparisons('src/x.ts', source)).toHaveLength(1);
});

it.each([
  ['whether it is there', 'if (token === undefined || null === token) return;'],
  ['its type', "if (typeof token !== 'string') throw new TypeError();"],
  ['what the source says', "if (door.token === 'wrong') return 401;"],
  ['a name that only begins like one', 'if (a.sharedResource === b.sharedResource) return;'],
  ['the comparison that takes the same time', 'return isSecret(hello.token, token);'],
])('leaves alone %s', (_what, source) => {
  expect(comparisons('src/x.ts', source)).toEqual([]);
});

it('finds nothing in the sources', () => {
  expect(checkSecrets(fileURLToPath(new URL('../../..', import.meta.url)))).toEqual([]);
});
