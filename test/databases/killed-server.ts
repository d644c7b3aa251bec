/**
 * The database is killed at every point of a branch's life, under a real node and real
 * participants: after its restart every transaction ends, both sides of every transfer agree, and
 * nothing is left prepared.
 */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseServer } from '../../cluster/databases/server.ts';
import { type Client, connect, type TransactOutcome } from '../../src/client.ts';
import type { ParticipantCrashPoint } from '../../src/participant/crash-points.ts';
import { type ParticipantHandle, serveParticipant } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import type { SqlResource } from '../../src/postgresql.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

/** One side of a transfer: `UPDATE account`, and a row that says which transaction did it. */
export interface Transfer {
  readonly account: number;
  readonly amount: number;
}

export interface Bank {
  readonly resource: SqlResource<Transfer, unknown>;
  /** What is visible: the amount of each transaction that committed, by txid. */
  booked(): Promise<ReadonlyMap<string, number>>;
  /** The sum of all accounts, which begin with 0. */
  balance(): Promise<number>;
}

export interface BankServer {
  readonly server: DatabaseServer;
  /** Two banks on one server, `worked` told in the middle of each prepare. */
  open(name: string, worked: () => void): Promise<Bank>;
  /** Prepared and not ended, of all banks. */
  prepared(): Promise<readonly string[]>;
  dispose(): Promise<void>;
}

const accounts = 6;
const killPoints = [
  'before-prepare',
  /** The statements of the branch have run; it is not prepared. */
  'within-prepare',
  'after-application-prepare',
  'after-vote-durable',
  'before-commit-applied',
  'after-commit-applied',
  'after-outcome-durable',
  'after-rollback-applied',
  'any',
] as const satisfies readonly (ParticipantCrashPoint | 'within-prepare' | 'any')[];
type KillPoint = (typeof killPoints)[number];

export function killedServer(what: string, make: () => Promise<BankServer>): void {
  describe(`${what}, killed`, () => {
    const directory = temporaryDirectory();
    const random = seededRandom();
    const outcomes: TransactOutcome[] = [];
    const alarms: string[] = [];
    const participants: ParticipantHandle[] = [];
    const banks: Bank[] = [];
    let bankServer: BankServer;
    let node: NodeProcess;
    let client: Client;
    /** Where the server is killed next, and whether that has happened. */
    let target: { point: KillPoint; left: number } | null = null;
    let killed: Promise<void> | null = null;

    function reached(point: KillPoint | ParticipantCrashPoint): void {
      if (target?.point !== point) return;
      target.left -= 1;
      if (target.left > 0) return;
      target = null;
      killed = bankServer.server.kill();
    }

    beforeAll(async () => {
      bankServer = await make();
      node = await NodeProcess.started({
        data: join(directory.path, 'node'),
        options: quickOptions,
      });
      for (const name of ['giver', 'taker']) {
        const bank = await bankServer.open(name, () => reached('within-prepare'));
        banks.push(bank);
        participants.push(
          await serveParticipant({
            logger: silentLogger,
            name,
            urls: [node.url],
            dataDirectory: join(directory.path, name),
            resource: bank.resource,
            reached,
            options: { patienceMs: 500, retryDelayMs: 20, maxRetryDelayMs: 200 },
            onAlarm: ({ alarm, message }) => alarms.push(`${name}: ${alarm}: ${message}`),
          }),
        );
      }
      client = await connect({ urls: [node.url], timeoutMs: 30_000 });
      await Promise.all(participants.map((participant) => participant.connected()));
    });

    afterAll(async () => {
      await client.close();
      for (const participant of participants) await participant.close();
      for (const { resource } of banks) await resource.close();
      await node.stop();
      await bankServer.dispose();
      directory.remove();
    });

    async function transfer(index: number, amounts: readonly [number, number]): Promise<void> {
      const [given, taken] = amounts;
      const account = index % accounts;
      const outcome = await client.transact({
        branches: [
          { participant: 'giver', payload: { account, amount: -given } },
          { participant: 'taker', payload: { account, amount: taken } },
        ],
      });
      outcomes.push(outcome);
    }

    /** Every sixth is refused by the giver, for the sake of rollbacks. */
    function load(): Promise<void>[] {
      return Array.from({ length: accounts }, (_, index) => {
        const amount = 1 + Math.floor(random.fraction() * 100);
        return transfer(index, index === 0 ? [0, amount] : [amount, amount]);
      });
    }

    it.each(killPoints)('%s', async (point) => {
      killed = null;
      target = { point, left: 1 + Math.floor(random.fraction() * 4) };
      const calls: Promise<void>[] = [];
      for (let round = 0; round < 20 && killed === null; round += 1) {
        const begun = load();
        calls.push(...begun);
        if (point === 'any') {
          await new Promise((resolve) => setTimeout(resolve, random.fraction() * 60));
          reached('any');
        }
        await Promise.all(begun);
      }
      expect(killed, `${point} was never reached`).not.toBeNull();
      await killed;
      await bankServer.server.start();
      await Promise.all(calls);
      await eventually(
        async () => ((await bankServer.prepared()).length === 0 ? true : null),
        () => 'nothing to be left prepared',
      );
      await eventually(
        async () => {
          await transfer(1, [1, 1]);
          return outcomes.at(-1)?.outcome === 'committed' ? true : null;
        },
        () => 'a transfer that commits',
      );
      await settled();
      await agree();
      expect(alarms).toEqual([]);
    });

    /** A commit may still be on its way to one side after the client has its answer. */
    async function settled(): Promise<void> {
      await eventually(
        async () =>
          (await bankServer.prepared()).length === 0 &&
          participants.every((participant) => participant.inDoubt().length === 0)
            ? true
            : null,
        () => 'every branch to end',
      );
    }

    async function agree(): Promise<void> {
      const [giver, taker] = banks;
      if (giver === undefined || taker === undefined) throw new Error('Two banks are needed.');
      const given = await giver.booked();
      const taken = await taker.booked();
      expect([...given.keys()].sort()).toEqual([...taken.keys()].sort());
      const committed = outcomes.filter(({ outcome }) => outcome === 'committed');
      expect(committed.map(({ txid }) => txid).sort()).toEqual([...given.keys()].sort());
      for (const [txid, amount] of given) expect(taken.get(txid)).toBe(-amount);
      expect(await taker.balance()).toBe(-(await giver.balance()));
      const sum = [...taken.values()].reduce((total, amount) => total + amount, 0);
      expect(await taker.balance()).toBe(sum);
    }

    it('whatever was killed, some committed and some did not', () => {
      const seen = new Set(outcomes.map(({ outcome }) => outcome));
      expect([...seen].sort()).toEqual(['aborted', 'committed']);
    });
  });
}
