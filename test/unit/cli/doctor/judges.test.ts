import { readFileSync } from 'node:fs';
import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { boundsOf, judgeClocks } from '../../../../src/cli/doctor/clocks.ts';
import { checkDatabaseUrl, shownUrl } from '../../../../src/cli/doctor/database-url.ts';
import { versionVerdict } from '../../../../src/cli/doctor/etcd-versions.ts';
import { Findings } from '../../../../src/cli/doctor/finding.ts';
import {
  judgePostgresql,
  type PostgresqlFacts,
} from '../../../../src/cli/doctor/judge-databases.ts';
import {
  type EtcdFacts,
  judgeEtcd,
  type MemberFacts,
} from '../../../../src/cli/doctor/judge-etcd.ts';
import {
  formatId,
  judgePrepared,
  parseGid,
  parseXid,
} from '../../../../src/cli/doctor/prepared.ts';
import { reportLines } from '../../../../src/cli/doctor/report.ts';
import type { Explanation } from '../../../../src/core/messages.ts';
import { makeEpoch, type Txid } from '../../../../src/core/txid.ts';
import { nestedText } from '../../../../src/decision-log/etcd-accounts/check.ts';
import { etcdUpgradeText } from '../../../../src/decision-log/etcd-accounts/versions.ts';
import { xidOf } from '../../../../src/resources/mariadb/xid.ts';
import { preparedAs } from '../../../../src/resources/postgresql/context.ts';
import { branchName } from '../../../../src/resources/sql/names.ts';
import { makeTxid } from '../../../support/core/txids.ts';

const epoch = makeEpoch({ generation: 0, revision: 1n });
const txid: Txid = makeTxid({ epoch, shard: 0, sequence: 1, random: 'k3v9x0q2m8d5a' });
const ref = { txid, branch: "it's: 50%" };

describe('names of what is prepared', () => {
  it('are read back as participants write them', () => {
    const gid = preparedAs(branchName('pay:ment', ref), 'instance');
    expect(parseGid(gid, 5)).toMatchObject({ ...ref, participant: 'pay:ment', ageMs: 5 });
    expect(parseGid(gid, 5)?.rollback).toBe(`ROLLBACK PREPARED '${gid}'`);
    const xid = xidOf('pay', { ...ref, branch: 'b:1', instance: 'instance' });
    expect(parseXid(xid?.gtrid ?? '', xid?.bqual ?? '')).toMatchObject({
      ...{ txid, branch: 'b:1', participant: 'pay' },
      commit: `XA COMMIT ${xid?.text}`,
    });
    expect(xid?.text.endsWith(`,${formatId}`)).toBe(true);
  });

  it.each([
    'theirs',
    `verdict:a:${'x'}:b:m`,
    `verdict:a:${txid}:b`,
    `verdict:a:${txid}:b:m:more`,
    `verdict:a:${txid}:b:m'; DROP TABLE t; --`,
    `verdict:a%:${txid}:b:m`,
  ])("are not taken for Verdict's: %s", (gid) => {
    expect(parseGid(gid, 0)).toBe(null);
  });
});

describe('a prepared branch', () => {
  const prepared = parseGid(`verdict:pay:${txid}:b:m`, 60_000);
  if (prepared === null) throw new Error('It is none.');

  function judged(explanation: Partial<Explanation> | null, minAgeMs = 30_000) {
    const findings = new Findings('db');
    const whole = { branches: [], decided: null, ...explanation } as unknown as Explanation;
    judgePrepared(
      findings,
      { prepared: prepared as never, explanation: explanation && whole },
      minAgeMs,
    );
    return findings.all[0];
  }

  it('is ended by hand only as was decided, and never before', () => {
    const commit = judged({ state: 'COMMITTING', decided: 'commit' });
    expect(commit).toMatchObject({ status: 'problem' });
    expect(commit?.todo).toContain('COMMIT PREPARED');
    expect(commit?.todo).not.toContain('ROLLBACK');
    const abort = judged({ state: 'ABORTED', decided: 'abort' });
    expect(abort?.todo).toContain('ROLLBACK PREPARED');
    expect(abort?.todo).not.toContain('COMMIT PREPARED');
    for (const explanation of [
      null,
      { state: 'PREPARING' },
      { state: 'UNDECIDED' },
      { state: 'UNREADABLE' },
      { state: 'UNKNOWN' },
    ] as const) {
      const told = judged(explanation);
      expect(told?.status).toMatch(/warning|problem/);
      expect(told?.todo).not.toMatch(/(COMMIT|ROLLBACK) PREPARED/);
    }
  });

  it('that is young is under way, unless no one knows it', () => {
    expect(judged({ state: 'COMMITTING', decided: 'commit' }, 90_000)).toBe(undefined);
    expect(judged({ state: 'PREPARING' }, 90_000)).toBe(undefined);
    expect(judged({ state: 'UNKNOWN' }, 90_000)).toMatchObject({ status: 'problem' });
  });

  it('whose participant is there is sent its outcome again', () => {
    const branches = [{ branch: 'b', connected: true }] as never;
    const told = judged({ state: 'COMMITTING', decided: 'commit', branches });
    expect(told?.todo).toContain(`verdict retry ${txid}`);
    expect(told?.todo).not.toContain('PREPARED');
  });
});

describe('a version of etcd', () => {
  it.each([
    ['3.3.27', 'problem'],
    ['3.5.4', 'problem'],
    ['3.4.34', 'both'],
    ['3.4.44', 'watch'],
    ['3.5.16', 'both'],
    ['3.5.30', 'watch'],
    ['3.5.33', 'none'],
    ['3.6.10', 'both'],
    ['3.6.14', 'none'],
    ['3.7.0', 'watch'],
    ['3.7.1', 'none'],
    ['3.8.0', 'none'],
    ['4.0.0', 'none'],
  ])('%s: %s', (version, expected) => {
    const verdict = versionVerdict(version);
    const nested = verdict?.found.includes('GHSA-rfx7') ?? false;
    const watch = verdict?.found.includes('GHSA-xg4h') ?? false;
    const kind = verdict === null ? 'none' : nested ? 'both' : watch ? 'watch' : 'problem';
    expect(kind).toBe(expected);
    expect(verdict?.isProblem ?? false).toBe(expected === 'problem');
  });
});

describe('clocks', () => {
  const now = Date.UTC(2030, 0, 1, 12, 0, 0, 400);
  const at = (who: string, offsetMs: number) => {
    const bounds = boundsOf(new Date(now + offsetMs).toUTCString(), now - 10, now + 10);
    if (bounds === null) throw new Error('No bounds.');
    return { who, ...bounds };
  };

  it('have bounds that hold what is true', () => {
    for (const offsetMs of [-5_000, -400, 0, 599, 600, 7_777]) {
      const { minMs, maxMs } = at('a', offsetMs);
      expect(minMs).toBeLessThanOrEqual(offsetMs);
      expect(maxMs).toBeGreaterThanOrEqual(offsetMs);
    }
    expect(boundsOf(undefined, 0, 1)).toBe(null);
  });

  it.each([
    [[0, 900], 'ok'],
    [[0, -900, 900], 'ok'],
    [[0, 5_000], 'warning'],
    [[0], 'skipped'],
  ])('%j: %s', (offsets, status) => {
    const findings = new Findings('nodes');
    judgeClocks(
      findings,
      offsets.map((offsetMs, index) => at(`n${index}`, offsetMs)),
    );
    expect(findings.all).toMatchObject([{ status }]);
  });
});

describe('etcd', () => {
  const member = (more: Partial<MemberFacts> = {}): MemberFacts => ({
    ...{ endpoint: 'http://e1', problem: null, version: '3.5.33', sizeBytes: 1_000_000 },
    ...{ usedBytes: 900_000, quotaBytes: 8_000_000_000, leader: '17', isLearner: false },
    ...{ errors: [], readMs: 2, readProblem: null, clock: null },
    ...more,
  });
  const facts = (more: Partial<EtcdFacts> = {}): EtcdFacts => ({
    ...{ area: 'etcd', members: [member()], memberCount: 3, alarms: [], authOn: true },
    ...{ hasTls: true, history: { revision: 1_000, compacted: 500 } },
    cluster: { name: 'shop', isThere: true, others: null },
    ...more,
  });
  const told = (more: Partial<EtcdFacts>, check: string) =>
    judgeEtcd(facts(more)).filter((each) => each.check === check);

  it('without that cluster says which there are, the nearest first', () => {
    const others = { names: ['orders', 'shop-eu', 'shop'], truncated: true };
    const missing = { name: 'shopp', isThere: false, others };
    expect(told({ cluster: missing }, 'cluster')).toMatchObject([
      {
        status: 'problem',
        found: 'There is no cluster shopp in this etcd: it has shop, shop-eu, orders and others.',
        todo: expect.stringContaining('--cluster'),
      },
    ]);
    for (const none of [null, { names: [], truncated: false }]) {
      const cluster = { ...missing, others: none };
      expect(told({ cluster }, 'cluster')).toMatchObject([{ status: 'problem' }]);
    }
    expect(told({}, 'cluster')).toMatchObject([{ status: 'ok' }]);
  });

  it('is upgraded to the same versions, whoever says so', () => {
    expect(versionVerdict('3.5.10')?.todo).toContain(etcdUpgradeText);
    expect(nestedText).toContain(etcdUpgradeText);
    const page = readFileSync(new URL('../../../../docs/OPERATING.md', import.meta.url), 'utf8');
    const versions = /3\.[\d., ]*\d/.exec(etcdUpgradeText)?.[0] ?? '';
    expect(page.replace(/\s+/g, ' ')).toContain(`Use etcd ${versions} or newer`);
  });

  it('with a majority gone, full, or with an alarm, has a problem', () => {
    expect(told({ members: [member({ problem: 'late' })] }, 'members')[0]?.status).toBe('problem');
    expect(told({ alarms: ['NOSPACE at member 1'] }, 'alarms')).toMatchObject([
      { status: 'problem', todo: expect.stringContaining('alarm disarm') },
    ]);
    const full = member({ sizeBytes: 7_000_000_000, usedBytes: 6_900_000_000 });
    expect(told({ members: [full] }, 'size')).toMatchObject([{ status: 'problem' }]);
    expect(told({ members: [member(), member({ leader: '0' })] }, 'members')).toContainEqual(
      expect.objectContaining({ status: 'problem', found: expect.stringContaining('leader') }),
    );
  });

  it('that refuses reads for want of an account is not called slow', () => {
    const refused = member({ readMs: null, readProblem: 'etcdserver: user name is empty' });
    expect(told({ members: [refused] }, 'latency')).toMatchObject([{ status: 'skipped' }]);
    const silent = member({ readMs: null, readProblem: 'Deadline exceeded' });
    expect(told({ members: [silent] }, 'latency')).toMatchObject([{ status: 'problem' }]);
  });

  it('that was never compacted, and long ago, is told so', () => {
    const history = { revision: 900_000, compacted: 1 };
    expect(told({ history }, 'history')).toMatchObject([{ status: 'warning' }]);
    expect(
      told({ history: { revision: 9_000_000, compacted: 8_500_000 } }, 'history'),
    ).toMatchObject([{ status: 'ok' }]);
  });
});

describe('PostgreSQL', () => {
  const facts: PostgresqlFacts = {
    ...{ version: 170_000, versionText: '17.1', maxPrepared: 100, preparedOnServer: 3 },
    ...{ maxConnections: 100, connections: 10, fsync: true, fullPageWrites: true },
    ...{ isStandby: false, walLevel: 'replica', tables: ['public.verdict_branches'], window: null },
    ...{ asked: [], count: 0, foreign: 0, foreignAgeMs: null },
  };
  const told = (more: Partial<PostgresqlFacts>) => {
    const findings = new Findings('db');
    judgePostgresql(findings, { ...facts, ...more }, 30_000);
    return Object.fromEntries(findings.all.map(({ check, status }) => [check, status]));
  };

  it.each([
    [{}, 'ok'],
    [{ maxPrepared: 0 }, 'problem'],
    [{ preparedOnServer: 85 }, 'problem'],
    [{ window: 256 }, 'warning'],
    [{ window: 64, maxPrepared: 70 }, 'ok'],
    [{ maxPrepared: 50 }, 'warning'],
  ])('with %j: max_prepared_transactions %s', (more, status) => {
    expect(told(more)['max_prepared_transactions']).toBe(status);
  });

  it('must keep what it was told', () => {
    expect(told({ fsync: false })['durability']).toBe('problem');
    expect(told({ isStandby: true })['role']).toBe('problem');
    expect(told({ tables: [] })['tables']).toBe('warning');
    expect(told({ foreign: 1, foreignAgeMs: 4_000_000 })['prepared by others']).toBe('warning');
  });
});

describe('an address of a database', () => {
  it('holds no password, and none is shown', () => {
    for (const url of ['postgresql://a:geheim@h/d', 'postgresql://a@h/d?password=geheim']) {
      const check = (): void => checkDatabaseUrl('--postgresql', ['postgresql'], url);
      expect(check).toThrow(/password/);
      expect(check).not.toThrow(/geheim/);
    }
    expect(() => checkDatabaseUrl('--mariadb', ['mariadb'], 'nowhere')).toThrow(/no address/);
    expect(shownUrl('mysql://a@h:3306/d?ssl=x')).toBe('mysql://a@h:3306/d');
  });
});

describe('the report', () => {
  it('says what to do below what was found, and escapes what moves a cursor', () => {
    const findings = new Findings('no\u001b[2Jdes');
    findings.ok('versions', 'All run 1.');
    findings.problem(
      'readiness',
      `n1 is not ready, ${'and so on '.repeat(9)}.`,
      'Its log says why.',
    );
    const lines = reportLines(findings.all, createColors(false), 60);
    expect(lines.join('\n')).not.toContain('\u001b');
    expect(lines).toContain('           -> Its log says why.');
    expect(lines.at(-1)).toBe('1 problem, 0 warnings, 0 skipped.');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
  });
});
