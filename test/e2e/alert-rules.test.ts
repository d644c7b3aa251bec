/** By promtool: the rules are valid; each fires on what it is for, and not on what is near it. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { monitoring, prometheusToTest } from '../support/process/prometheus.ts';
import { scriptDirectory } from '../support/process/run-script.ts';

const programs = await prometheusToTest();
const directory = scriptDirectory();
const rules = join(monitoring, 'alerts.yml');

/** Series as promtool has them: a sample each 15 seconds, for 20 minutes. */
interface Case {
  readonly alert: string;
  readonly fires: Readonly<Record<string, string>>;
  readonly silent: Readonly<Record<string, string>>;
}

const at = '20m';
const node = 'job="verdict",instance="n1"';
const cases: readonly Case[] = [
  {
    alert: 'VerdictNodeDown',
    fires: { 'up{job="verdict",instance="n1"}': '0x80' },
    // It is back; and what is down is something else.
    silent: {
      'up{job="verdict",instance="n1"}': '0x76 1x4',
      'up{job="etcd",instance="e1"}': '0x80',
    },
  },
  {
    alert: 'VerdictNoLeader',
    fires: { [`verdict_shards_without_leader{${node}}`]: '1x80' },
    // A failover takes a second or so.
    silent: { [`verdict_shards_without_leader{${node}}`]: '0x79 1' },
  },
  {
    alert: 'VerdictAttention',
    fires: { [`verdict_transactions_attention{${node}}`]: '2x80' },
    silent: { [`verdict_transactions_attention{${node}}`]: '0x80' },
  },
  {
    alert: 'VerdictBreakerOpen',
    fires: { [`verdict_participant_breaker_state{${node},participant="stock"}`]: '2x80' },
    silent: { [`verdict_participant_breaker_state{${node},participant="stock"}`]: '0x40 2 1 0x38' },
  },
  {
    alert: 'VerdictAbortsMany',
    fires: {
      [`verdict_transactions_ended_total{${node},outcome="committed",reason=""}`]: '0+10x80',
      [`verdict_transactions_ended_total{${node},outcome="aborted",reason="TIMEOUT"}`]: '0+30x80',
    },
    silent: {
      [`verdict_transactions_ended_total{${node},outcome="committed",reason=""}`]: '0+30x80',
      [`verdict_transactions_ended_total{${node},outcome="aborted",reason="TIMEOUT"}`]: '0+10x80',
    },
  },
  {
    alert: 'VerdictLogFailing',
    fires: { [`verdict_log_failures_total{${node},operation="decide"}`]: '0+1x80' },
    silent: { [`verdict_log_failures_total{${node},operation="decide"}`]: '0x20 7x60' },
  },
  {
    alert: 'VerdictLogSlow',
    fires: {
      [`verdict_log_operation_seconds_bucket{${node},operation="decide",le="0.25"}`]: '0+90x80',
      [`verdict_log_operation_seconds_bucket{${node},operation="decide",le="0.5"}`]: '0+100x80',
      [`verdict_log_operation_seconds_bucket{${node},operation="decide",le="+Inf"}`]: '0+100x80',
    },
    // Slow are only readings.
    silent: {
      [`verdict_log_operation_seconds_bucket{${node},operation="decide",le="0.25"}`]: '0+100x80',
      [`verdict_log_operation_seconds_bucket{${node},operation="decide",le="+Inf"}`]: '0+100x80',
      [`verdict_log_operation_seconds_bucket{${node},operation="read",le="0.25"}`]: '0x80',
      [`verdict_log_operation_seconds_bucket{${node},operation="read",le="+Inf"}`]: '0+100x80',
    },
  },
  {
    alert: 'VerdictLeaseNearlyLost',
    fires: {
      [`verdict_lease_age_seconds{${node}}`]: '0.5x78 1.5 0.5',
      [`verdict_lease_valid_seconds{${node}}`]: '2.25x80',
      [`verdict_lease_held{${node}}`]: '1x80',
    },
    silent: {
      [`verdict_lease_age_seconds{${node}}`]: '0.75x80',
      [`verdict_lease_valid_seconds{${node}}`]: '2.25x80',
      [`verdict_lease_held{${node}}`]: '1x80',
    },
  },
  {
    alert: 'VerdictLeaseNearlyLost',
    fires: { [`verdict_lease_held{${node}}`]: '0x80' },
    silent: { [`verdict_lease_held{${node}}`]: '1x80' },
  },
  {
    alert: 'VerdictLeadersChange',
    fires: { [`verdict_epoch_changes_total{${node}}`]: '0x40 0+1x40' },
    // Two failovers.
    silent: { [`verdict_epoch_changes_total{${node}}`]: '0x50 1x10 2x20' },
  },
  {
    alert: 'VerdictQueueNearBound',
    fires: {
      [`verdict_queue_entries{${node},queue="transactions"}`]: '90000x80',
      [`verdict_queue_max_entries{${node},queue="transactions"}`]: '100000x80',
    },
    // Full windows are what they are for.
    silent: {
      [`verdict_queue_entries{${node},queue="prepares-under-way"}`]: '256x80',
      [`verdict_queue_max_entries{${node},queue="prepares-under-way"}`]: '256x80',
      [`verdict_queue_bytes{${node},queue="held"}`]: '50x80',
      [`verdict_queue_max_bytes{${node},queue="held"}`]: '100x80',
    },
  },
  {
    alert: 'VerdictQueueNearBound',
    fires: {
      [`verdict_queue_bytes{${node},queue="held"}`]: '90x80',
      [`verdict_queue_max_bytes{${node},queue="held"}`]: '100x80',
    },
    silent: {},
  },
  {
    alert: 'VerdictEventLoopBlocked',
    fires: { [`verdict_event_loop_delay_seconds{${node}}`]: '0.7x80' },
    silent: { [`verdict_event_loop_delay_seconds{${node}}`]: '0.2x80' },
  },
];

function promtool(...args: readonly string[]): string {
  return execFileSync(programs?.promtool ?? '', [...args], { encoding: 'utf8', stdio: 'pipe' });
}

describe.skipIf(programs === null)('the alert rules', () => {
  it('are valid, and so is the configuration that names them', () => {
    expect(promtool('check', 'rules', rules)).toContain('11 rules found');
    expect(promtool('check', 'config', join(monitoring, 'prometheus.yml'))).toContain('valid');
  });

  it('all have a case here', () => {
    const names = readFileSync(rules, 'utf8').match(/(?<=- alert: )\w+/g) ?? [];
    expect(new Set(cases.map(({ alert }) => alert))).toEqual(new Set(names));
  });

  const all = cases.flatMap(({ alert, fires, silent }) => [
    { alert, does: 'fires', series: fires },
    { alert, does: 'is silent', series: silent },
  ]);
  it.each(all)('$alert $does', ({ alert, does, series }) => {
    const file = join(directory.path, 'rules.test.yml');
    const input = Object.entries(series).map(([name, values]) => ({ series: name, values }));
    // promtool compares all labels: which alerts there are is asked by a query instead.
    const found = `count(ALERTS{alertname="${alert}",alertstate="firing"})`;
    const samples = does === 'fires' ? [{ labels: '{}', value: 1 }] : [];
    const test = {
      rule_files: [rules],
      evaluation_interval: '15s',
      tests: [
        {
          interval: '15s',
          input_series: input,
          promql_expr_test: [{ expr: found, eval_time: at, exp_samples: samples }],
        },
      ],
    };
    writeFileSync(file, JSON.stringify(test));
    expect(promtool('test', 'rules', file)).toContain('SUCCESS');
  });
});
