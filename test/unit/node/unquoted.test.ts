/** What of peers' words a log shows. */
import { describe, expect, it } from 'vitest';
import { callProblem } from '../../../src/core/access/judge-access.ts';
import { Patterns } from '../../../src/core/access/patterns.ts';
import type { Rights } from '../../../src/core/access/rights.ts';
import { otherClusterCloseCode, otherClusterReason } from '../../../src/core/other-cluster.ts';
import { unquoted, unquotedReason } from '../../../src/node/unquoted.ts';

const secret = 'hunter2-6f1c0f9a4b7d4e2a';

describe('why a message was refused', () => {
  it.each([
    [`hello has no field "${secret}".`, 'hello has no field "...".'],
    [`no "a\\"${secret}" here`, 'no "..." here'],
    [`cut at "${secret}`, 'cut at "..."'],
    [`cut at "${secret}\\`, 'cut at "..."'],
    ['raise "quotas.connections" in the file', 'raise "quotas.connections" in the file'],
    ['raise "quotas.instances" in the file', 'raise "quotas.instances" in the file'],
    ['"exp" claim timestamp check failed', '"exp" claim timestamp check failed'],
  ])('%s', (text, shown) => {
    expect(unquoted(text)).toBe(shown);
  });

  it('keeps the rule that is missing, and not what was asked for', () => {
    const none = new Patterns([]);
    const rights: Rights = {
      name: 'shop',
      roles: new Set(['client']),
      participants: none,
      clients: none,
      calls: none,
      labels: none,
      lockGroups: none,
      sees: 'own',
      quotas: {},
    };
    const { message = '' } = callProblem(rights, 'stock') ?? {};
    expect(unquoted(message)).toMatch(/ "\.\.\." in "calls" of its entry would\.$/);
  });
});

describe('why a connection ended', () => {
  it.each([
    ['done', 'done'],
    [`bad token ${secret}`, 'bad token ...'],
    [`token=${secret}, "x`, '..., "..."'],
    ['The next connection shows a fresh credential.', undefined],
  ])('%s', (reason, shown = reason) => {
    expect(unquotedReason({ code: 1000, reason })).toBe(shown);
  });

  it('keeps the id of the cluster that a journal serves, and nothing in its place', () => {
    const ended = (served: string) =>
      unquotedReason({ code: otherClusterCloseCode, reason: otherClusterReason(served) });
    expect(ended('k3v9x0q2m8d5a7b1c4e6')).toBe('other cluster: k3v9x0q2m8d5a7b1c4e6');
    expect(ended(`Bearer ${secret}`)).toBe('other cluster: Bearer ...');
  });
});
