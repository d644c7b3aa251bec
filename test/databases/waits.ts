/**
 * A statement of the service's own that waits for what the service has prepared: in silence, if no
 * one told.
 */
import { describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../../src/ports/logger.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import { type OpenWork, raise, type Work, type WorkResource } from './sql-resource.ts';

export interface WaitsBench {
  readonly open: (more?: OpenWork) => Promise<WorkResource>;
  /** On a connection of its own. */
  readonly run: (text: string) => Promise<unknown>;
  /** Names what each waits for, and not only what it may wait for. */
  readonly tellsApart: boolean;
}

interface Warning {
  readonly text: string;
  readonly statement: string;
  readonly branches: readonly unknown[];
}

export function heard(): { logger: Logger; warnings: Warning[] } {
  const warnings: Warning[] = [];
  const warn = (fields: object, text: string): void =>
    void warnings.push({ ...(fields as Warning), text });
  return { logger: { ...silentLogger, warn }, warnings };
}

/** Long enough for a first warning. */
const soon = { timeout: 20_000, interval: 50 };

export function waits({ open, run, tellsApart }: WaitsBench): void {
  describe('a statement of the service’s own that waits for a prepared branch is told', () => {
    it.each([
      ['a seed', 'UPDATE account SET balance = 7 WHERE id = 1'],
      ['a migration', 'ALTER TABLE account ADD COLUMN note varchar(10)'],
    ])('%s, of a service that was started anew and serves no one yet', async (_what, statement) => {
      const before = await open({ logger: silentLogger });
      const calls = [prepareCall(raise), prepareCall(raiseOther)];
      for (const call of calls) expect(await before.prepare(call)).toEqual({ vote: 'commit' });
      const { logger, warnings } = heard();
      const after = await open({ logger });
      const running = run(statement);
      await expect.poll(() => warnings, soon).toHaveLength(1);
      expect(warnings[0]?.statement).toBe(statement);
      expect(warnings[0]?.text).toContain('ready');
      const refs = calls.map(({ txid, branch }) => ({ txid, branch }));
      const [first] = refs;
      if (tellsApart && statement.startsWith('UPDATE'))
        expect(warnings[0]?.branches).toEqual([first]);
      else expect(new Set(warnings[0]?.branches)).toEqual(new Set(refs));
      for (const call of calls) await after.commit(refOf(call));
      await running;
      expect(warnings).toHaveLength(1);
    });

    it('beside the service that prepared it', async () => {
      const { logger, warnings } = heard();
      const resource = await open({ logger });
      const call = prepareCall(raise);
      expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      const running = run('DELETE FROM account WHERE id = 1');
      await expect.poll(() => warnings, soon).toHaveLength(1);
      expect(warnings[0]?.branches).toEqual([{ txid: call.txid, branch: call.branch }]);
      await resource.rollback(refOf(call));
      await running;
    });

    it('but not what a branch of the service waits for, whose vote says so', async () => {
      const { logger, warnings } = heard();
      const resource = await open({ logger, lockWaitMs: 4_000 });
      const call = prepareCall(raise);
      expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      expect(await resource.prepare(prepareCall(raise))).toMatchObject({
        vote: 'abort',
        reason: { code: 'LOCK_TIMEOUT' },
      });
      expect(warnings).toEqual([]);
      await resource.rollback(refOf(call));
    });
  });
}

const raiseOther: Work = (sql) =>
  sql.query('UPDATE account SET balance = balance + 1 WHERE id = 2');
