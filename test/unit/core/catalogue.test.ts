import { describe, expect, it } from 'vitest';
import { abortReason, errorCatalogue, reasonCatalogue } from '../../../src/core/catalogue.ts';
import { errorCodes, reasonCodes } from '../../../src/core/codes.ts';

describe('the catalogue', () => {
  it('has an entry for each code, and a sentence in each entry', () => {
    expect(Object.keys(errorCatalogue)).toEqual([...errorCodes]);
    expect(Object.keys(reasonCatalogue)).toEqual([...reasonCodes]);
    for (const { text } of [...Object.values(errorCatalogue), ...Object.values(reasonCatalogue)]) {
      expect(text).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('never calls an error harmless that may have acted', () => {
    const unknown = errorCodes.filter((code) => errorCatalogue[code].acted === 'unknown');
    expect(unknown).toEqual(['EXPIRED', 'ALREADY_COMMITTED', 'OUTCOME_UNKNOWN', 'INTERNAL']);
  });

  it('makes reasons that leave out what is not known', () => {
    expect(abortReason('CONFLICT')).toEqual({
      code: 'CONFLICT',
      message: reasonCatalogue.CONFLICT.text,
      retryable: true,
    });
    const detail = { key: 'k' };
    expect(
      abortReason('VOTED_ABORT', { message: 'No.', participant: 'p', retryable: true, detail }),
    ).toEqual({ code: 'VOTED_ABORT', message: 'No.', participant: 'p', retryable: true, detail });
  });
});
