/** The dashboard and the alert rules speak of metrics that there are. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type NodeMetric, nodeMetrics } from '../../../src/node/metrics/metrics.ts';
import { dashboard, dashboardQueries } from '../../support/samples/dashboard.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const rules = read('cluster/monitoring/alerts.yml');

const suffixes: Readonly<Record<NodeMetric['type'], readonly string[]>> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};
/** By the name of a series: the labels that it may have. */
const series = new Map(
  nodeMetrics.flatMap(({ name, type, labels }) =>
    suffixes[type].map((suffix) => [
      `${name}${suffix}`,
      new Set([...labels, ...(suffix === '_bucket' ? ['le'] : []), 'job', 'instance']),
    ]),
  ),
);

/** What a query names that no node serves. */
function unknownIn(query: string): string[] {
  const names = query.match(/\bverdict_[a-z_]+/g) ?? [];
  const unknown = names.filter((name) => !series.has(name));
  for (const [, name = '', given = ''] of query.matchAll(/\b(verdict_[a-z_]+)\{([^}]*)\}/g)) {
    const labels = [...given.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
    unknown.push(...labels.filter((label) => series.get(name)?.has(label) !== true));
  }
  for (const [, by = ''] of query.matchAll(/\bby \(([^)]*)\)/g)) {
    const labels = by.split(',').map((label) => label.trim());
    const known = (label: string): boolean =>
      label === 'job' || label === 'instance' || names.some((name) => series.get(name)?.has(label));
    unknown.push(...labels.filter((label) => !known(label)));
  }
  return unknown;
}

describe('the dashboard', () => {
  const { panels } = dashboard;

  it('has a title, an id of its own, and panels that do not overlap', () => {
    expect(dashboard).toMatchObject({ title: 'Verdict', uid: 'verdict', schemaVersion: 39 });
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).toBeLessThanOrEqual(24);
      return Array.from({ length: w * h }, (_, at) => `${x + (at % w)}/${y + Math.floor(at / w)}`);
    });
    expect(new Set(cells).size).toBe(cells.length);
    for (const { type, title, targets } of panels) {
      expect(['row', 'stat', 'timeseries']).toContain(type);
      expect(title).toMatch(/^[A-Z]/);
      if (type === 'row') continue;
      const ids = targets?.map(({ refId }) => refId) ?? [];
      expect(ids.length, title).toBeGreaterThan(0);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  it.each(dashboardQueries({ job: 'verdict', interval: '1m' }))(
    'asks for what there is: $title, $expr',
    ({ expr }) => {
      expect(unknownIn(expr)).toEqual([]);
    },
  );

  it('shows every metric of a node', () => {
    const shown = dashboardQueries({ job: 'verdict', interval: '1m' }).map(({ expr }) => expr);
    const hidden = nodeMetrics.filter(({ name }) => !shown.some((expr) => expr.includes(name)));
    expect(hidden.map(({ name }) => name)).toEqual([]);
  });
});

describe('the alerts', () => {
  const names = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);

  it('ask for what there is', () => {
    expect(unknownIn(rules.replaceAll(/\{\{.*?\}\}/g, ''))).toEqual([]);
    expect(names).toHaveLength(11);
  });

  it.each(names)('%s: the handbook says what it means and what to do', (name) => {
    expect(rules).toContain(`runbook: "docs/OPERATING.md#${name.toLowerCase()}"`);
    const [, section = ''] = read('docs/OPERATING.md').split(`\n### ${name}\n`);
    const [text = ''] = section.split('\n#');
    expect(text).toMatch(/\*\*Means\*\*:.{40}/s);
    expect(text).toMatch(/\*\*Do\*\*:.{40}/s);
  });

  it('is seen to fire, each of them', () => {
    const tests = read('test/failover/alerts.test.ts');
    for (const name of names) expect(tests).toContain(`fires('${name}')`);
  });
});
