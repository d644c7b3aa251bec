import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { lacking } from '../../support/process/lacking.ts';

const folder = fileURLToPath(new URL('../../', import.meta.url));

describe('what a machine lacks', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('is a reason to skip, and on CI to fail', () => {
    vi.stubEnv('CI', undefined);
    expect(lacking('there is no python3 here')).toBe('there is no python3 here');
    vi.stubEnv('CI', 'true');
    expect(lacking(null)).toBeNull();
    expect(() => lacking('there is no python3 here')).toThrow('there is no python3 here');
  });

  // A reason of Docker's own is the one that may be handed on as it is; the databases' has asked.
  it('is asked about by every suite that skips', () => {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const silent = files.filter((file) => {
      if (!file.endsWith('.test.ts') || file.endsWith('lacking.test.ts')) return false;
      const text = readFileSync(join(folder, file), 'utf8');
      return (
        /\bskipWithout\(/.test(text) && !/\b(lacking|dockerMissing|mariadbMissing)\(/.test(text)
      );
    });
    expect(silent).toEqual([]);
  });
});
