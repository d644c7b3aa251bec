/** `verdict doctor` at real databases, with branches that were really left prepared. */
import { mkdtempSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { type Client, connect } from '../../src/client.ts';
import { makeEpoch } from '../../src/core/txid.ts';
import { openMariadbResource } from '../../src/mariadb.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { openPostgresqlResource } from '../../src/postgresql.ts';
import { makeTxid } from '../support/core/txids.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { NodeProcess } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';
import { mariadbMissing, startMariadb, type TestMariadb } from '../support/resources/mariadb.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';

const noMariadb = await mariadbMissing();

describe('verdict doctor at databases', () => {
  const directory = temporaryDirectory();
  let node: NodeProcess;
  let client: Client;
  let postgresql: TestPostgresql;
  let mariadb: TestMariadb | null = null;

  beforeAll(async () => {
    node = await NodeProcess.make({ data: join(directory.path, 'node'), node: 'n1' });
    await node.start();
    client = await connect({ urls: [node.url] });
    postgresql = await startPostgresql();
    if (noMariadb === null) mariadb = await startMariadb();
  });

  afterAll(async () => {
    await client?.close();
    await node?.kill();
    await postgresql?.dispose();
    await mariadb?.dispose();
    directory.remove();
  });

  async function report(...args: readonly string[]): Promise<{
    readonly exitCode: number | null;
    readonly findings: readonly Finding[];
    readonly out: string;
  }> {
    const { exitCode, out, errors } = await runCli([
      'doctor',
      '--json',
      '--prepared-age',
      '1ms',
      ...['--url', node.url],
      ...args,
    ]);
    if (out === '') throw new Error(errors);
    return { exitCode, findings: (JSON.parse(out) as { findings: Finding[] }).findings, out };
  }

  const prepared = (findings: readonly Finding[]): readonly Finding[] =>
    findings.filter(({ check }) => check === 'prepared');

  /** Voted, and then gone: its transaction is aborted for want of another's vote. */
  async function leaveOne(name: string, resource: never): Promise<string> {
    const common = { urls: [node.url] } as const;
    const other = await serveParticipant({
      ...common,
      name: `${name}-other`,
      dataDirectory: mkdtempSync(join(directory.path, 'other-')),
      prepare: () => new Promise(() => undefined),
      commit: async () => undefined,
      rollback: async () => undefined,
    });
    const participant = await serveParticipant({
      ...common,
      name,
      dataDirectory: mkdtempSync(join(directory.path, 'own-')),
      resource,
    });
    await participant.connected();
    await other.connected();
    const begun = client.transact({
      branches: [{ participant: name }, { participant: `${name}-other` }],
      timeoutMs: 4_000,
    });
    const ended = begun.catch((error: unknown) => error);
    await eventually(
      async () => {
        const { out } = await runCli(['tx', 'list', '--json', '--url', node.url]);
        return /"state":"prepared"/.test(out) || null;
      },
      () => 'a branch that has voted',
    );
    await participant.close({ timeoutMs: 0 });
    await ended;
    await other.close({ timeoutMs: 0 });
    const { out } = await runCli(['tx', 'list', '--json', '--url', node.url]);
    const { transactions } = JSON.parse(out) as {
      transactions: { txid: string; branches: { participant: string }[] }[];
    };
    const found = transactions.find(({ branches }) =>
      branches.some(({ participant: each }) => each === name),
    );
    if (found === undefined) throw new Error(out);
    return found.txid;
  }

  it('finds what is left prepared in PostgreSQL, and how to end it', async () => {
    const connection = await postgresql.database('CREATE TABLE t (id int PRIMARY KEY)');
    const url = `postgresql://${connection.user}@${connection.host}:${connection.port}/${connection.database}`;
    const before = await report('--postgresql', url);
    expect(before.findings).toContainEqual(
      expect.objectContaining({ check: 'tables', status: 'warning' }),
    );
    const resource = await openPostgresqlResource({
      name: 'payment',
      connection,
      prepare: async (sql) => {
        await sql.query('INSERT INTO t VALUES (1)');
        return vote.commit();
      },
    });
    const txid = await leaveOne('payment', resource as never);
    const strange = makeTxid({
      ...{ shard: 0, sequence: 1, random: 'k3v9x0q2m8d5a' },
      epoch: makeEpoch({ generation: 7, revision: 9n }),
    });
    await postgresql.query(
      connection,
      `BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'verdict:payment:${strange}:payment:abc'`,
    );
    await postgresql.query(
      connection,
      `BEGIN; INSERT INTO t VALUES (3); PREPARE TRANSACTION 'theirs'`,
    );
    const { findings, exitCode } = await report('--postgresql', url);
    expect(exitCode).toBe(4);
    const found = prepared(findings);
    expect(found).toHaveLength(2);
    const left = found.find((each) => each.found.includes(txid));
    expect(left).toMatchObject({ status: 'problem' });
    expect(left?.found).toMatch(/ABORT(ING|ED), decided to abort/);
    expect(left?.todo).toMatch(/^Start payment .* ROLLBACK PREPARED 'verdict:payment:/);
    expect(found.find((each) => each.found.includes(strange))?.found).toContain(
      'never gave out its txid',
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'prepared by others', status: 'ok' }),
    );
    // The command that it names is the one that ends it.
    const [, statement = ''] = /(ROLLBACK PREPARED '[^']+')/.exec(left?.todo ?? '') ?? [];
    await postgresql.query(connection, statement);
    const after = await report('--postgresql', url);
    expect(prepared(after.findings).filter((each) => each.found.includes(txid))).toEqual([]);
  });

  it.skipIf(noMariadb !== null)('finds what is left prepared in MariaDB', async () => {
    if (mariadb === null) return;
    const connection = await mariadb.database(['CREATE TABLE t (id INT PRIMARY KEY)']);
    const url = `mariadb://${connection.user}@${connection.host}:${connection.port}/${connection.database}`;
    const resource = await openMariadbResource({
      name: 'order',
      connection,
      prepare: async (sql) => {
        await sql.query('INSERT INTO t VALUES (1)');
        return vote.commit();
      },
    });
    const txid = await leaveOne('order', resource as never);
    const { findings, exitCode } = await report('--mariadb', url);
    expect(exitCode).toBe(4);
    const [left] = prepared(findings);
    expect(left?.found).toContain(txid);
    expect(left?.todo).toMatch(/XA ROLLBACK '[^']+','order:order',1447314260$/);
    const [, statement = ''] = /(XA ROLLBACK .*)$/.exec(left?.todo ?? '') ?? [];
    await mariadb.query(connection, statement);
    const after = await report('--mariadb', url);
    expect(prepared(after.findings)).toMatchObject([{ status: 'ok' }]);
  });

  it('does not hang at a database that takes connections and says nothing', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const at = `someone@127.0.0.1:${port}/x`;
    const urls = ['--postgresql', `postgresql://${at}`, '--mariadb', `mysql://${at}`];
    const { findings, exitCode } = await report(...urls, '--timeout', '1000');
    expect(exitCode).toBe(4);
    for (const area of [`postgresql://${at}`, `mysql://${at}`]) {
      expect(findings.filter((each) => each.area === area)).toMatchObject([
        { check: 'reachable', status: 'problem' },
      ]);
    }
    silent.close();
  });
});
