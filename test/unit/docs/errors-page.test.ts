import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorsPage, errorsPagePath } from '../../../scripts/docs/errors-page.ts';
import { errorCatalogue, reasonCatalogue } from '../../../src/core/catalogue.ts';
import { peerErrorCatalogue } from '../../../src/peer/catalogue.ts';

describe('docs/errors.md', () => {
  it('is what the catalogues say (npm run docs:errors)', () => {
    expect(readFileSync(errorsPagePath, 'utf8')).toBe(errorsPage());
  });

  it.each(Object.entries({ ...errorCatalogue, ...reasonCatalogue, ...peerErrorCatalogue }))(
    '%s says in whole sentences what happened and where to look',
    (_code, { text, look }) => {
      for (const sentence of [text, look]) expect(sentence).toMatch(/^[A-Z`].{9,}[.)]$/s);
    },
  );
});
