import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { metricsPage, metricsPagePath } from '../../../scripts/docs/metrics-page.ts';
import { clientMetrics } from '../../../src/client/metrics.ts';
import { nodeMetrics } from '../../../src/node/metrics/metrics.ts';
import { participantMetrics } from '../../../src/participant/metrics.ts';

const all = [...nodeMetrics, ...clientMetrics, ...participantMetrics];

it('docs/METRICS.md has what the code has (npm run docs:metrics)', () => {
  const page = readFileSync(metricsPagePath, 'utf8');
  expect(page).toBe(metricsPage(page));
  for (const { name } of all) expect(page).toContain(`| \`${name}\` |`);
});

it('no two metrics have one name, whoever has them', () => {
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
});

it.each(all)('$name says in a sentence what it tells, in a cell of a table', ({ help }) => {
  expect(help).toMatch(/^[A-Z0-9`][^|\n]{8,}\.$/);
});
