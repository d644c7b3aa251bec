import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { alertsPath, chartPaths, readme, valuesFile } from '../../../scripts/docs/chart-values.ts';

describe('the Helm chart', () => {
  it('has the values of its schema (npm run docs:chart)', () => {
    expect(readFileSync(chartPaths.values, 'utf8')).toBe(valuesFile());
  });

  it('has the alerts (npm run docs:chart)', () => {
    expect(readFileSync(chartPaths.alerts, 'utf8')).toBe(readFileSync(alertsPath, 'utf8'));
  });

  it('says in its README what they mean (npm run docs:chart)', () => {
    const text = readFileSync(chartPaths.readme, 'utf8');
    expect(text).toBe(readme(text));
  });
});
