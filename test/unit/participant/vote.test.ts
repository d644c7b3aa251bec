import { expect, it } from 'vitest';
import { vote } from '../../../src/participant.ts';

it.each<[unknown, string]>([
  ['No stock.', 'No stock.'],
  ['', 'The participant gave no reason.'],
  [{ why: 'no stock' }, 'an object: {"why":"no stock"}'],
  [new Error('no stock'), 'no stock'],
  [undefined, 'undefined'],
])('vote.abort(%j) gives the client words', (given, message) => {
  const abort = vote.abort(given as string);
  expect(abort).toMatchObject({ vote: 'abort', reason: { message } });
});
