import { describe, expect, it } from 'vitest';
import { escapeUnseen, isName } from '../../../src/core/names.ts';
import { hostileNames, refusedNames } from '../../support/samples/hostile-names.ts';

describe('names', () => {
  it.each(hostileNames.map((name) => [JSON.stringify(name).slice(0, 40), name] as const))(
    'are taken or refused by one rule: %s',
    (_shown, name) => {
      expect(isName(name, 128)).toBe(!refusedNames.includes(name));
    },
  );

  it('have as many bytes as the place allows', () => {
    expect(isName('é'.repeat(128), 256)).toBe(true);
    expect(isName('é'.repeat(129), 256)).toBe(false);
  });

  it('stand in a terminal only with what can be seen', () => {
    expect(escapeUnseen('plain, naïve, 日本 😀')).toBe('plain, naïve, 日本 😀');
    expect(escapeUnseen('a\u202e\u200b\u{e0041}\u009b')).toBe(
      'a\\u202e\\u200b\\udb40\\udc41\\u009b',
    );
  });
});
