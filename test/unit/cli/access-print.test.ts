/** What nodes tell each other of how they let peers in. */
import { expect, it } from 'vitest';
import { accessPrint } from '../../../src/cli/access.ts';
import { everyone } from '../../../src/ports/access.ts';

const file = (tokenFile: string, role: string): object => ({
  identities: [{ name: 'app', credentials: [{ tokenFile }], roles: [role] }],
});

it('is of the rules, wherever a host keeps its tokens', () => {
  const print = accessPrint(everyone, file('/a/token', 'client'));
  expect(print).toMatch(/^file \S{22}$/);
  expect(accessPrint(everyone, file('b/token', 'client'))).toBe(print);
  expect(accessPrint(everyone, file('/a/token', 'operator'))).not.toBe(print);
});

it('says whether peers show a credential at all', () => {
  expect(accessPrint(everyone, null)).toBe('open');
  expect(accessPrint({ ...everyone }, null)).toBe('shared');
});
