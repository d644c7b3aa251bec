/**
 * The tables of docs/METRICS.md, made from the metrics themselves: `npm run docs:metrics` writes
 * them between their marks, a test holds them against the code. What is around them is written by
 * hand.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { clientMetrics } from '../../src/client/metrics.ts';
import { nodeMetrics } from '../../src/node/metrics/metrics.ts';
import { participantMetrics } from '../../src/participant/metrics.ts';
import type { MetricAbout } from '../../src/peer/pulled-metric.ts';

export const metricsPagePath: string = fileURLToPath(
  new URL('../../docs/METRICS.md', import.meta.url),
);

const tables: Readonly<Record<string, readonly MetricAbout[]>> = {
  node: nodeMetrics,
  client: clientMetrics,
  participant: participantMetrics,
};

/** The page with each table as it must be. */
export function metricsPage(before: string): string {
  return before.replaceAll(
    /<!-- (\w+) -->\n[\s\S]*?<!-- end -->/g,
    (_whole, name: string) => `<!-- ${name} -->\n\n${tableOf(tables[name] ?? [])}\n\n<!-- end -->`,
  );
}

function tableOf(metrics: readonly MetricAbout[]): string {
  const rows = metrics.map(({ name, type, labels, help }) => {
    const named = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${unitOf(name)} | ${named === '' ? 'none' : named} | ${help} |`;
  });
  return [
    '| name | type | unit | labels | what it tells |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function unitOf(name: string): string {
  const [, unit = 'count'] = name.match(/_(seconds|bytes)(?:_total)?$/) ?? [];
  return unit;
}

if (import.meta.main) {
  writeFileSync(metricsPagePath, metricsPage(readFileSync(metricsPagePath, 'utf8')));
}
