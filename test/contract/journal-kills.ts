/** What a journal on disk keeps of processes that are killed, and of several that share it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Txid } from '../../src/core/txid.ts';
import type { JournalKind } from '../../src/journal/kinds.ts';
import type { Journal } from '../../src/ports/journal.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';

const writer = fileURLToPath(new URL('../support/logs/journal-writer.ts', import.meta.url));

export function journalKills(
  kind: JournalKind,
  open: (how: { readonly directory: string; readonly shared: boolean }) => Promise<Journal>,
): void {
  describe(`journal of killed processes: ${kind}`, () => {
    let directory: { readonly path: string; remove(): void };
    beforeEach(() => {
      directory = temporaryDirectory();
    });
    afterEach(() => directory.remove());

    it('keeps every answered vote and outcome through kill -9', async () => {
      const states = new Map<Txid, string>();
      for (let round = 0; round < 2; round += 1) {
        const child = spawn(process.execPath, [writer, kind, directory.path, String(round + 1)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let answers = 0;
        const fatalAnswer = 40 + Math.floor(Math.random() * 200);
        for await (const line of createInterface({ input: child.stdout })) {
          const answer = JSON.parse(line) as { txid: Txid; state: string };
          states.set(answer.txid, answer.state);
          answers += 1;
          if (answers === fatalAnswer) child.kill('SIGKILL');
        }
        if (child.signalCode === null) await once(child, 'exit');
        expect(child.signalCode).toBe('SIGKILL');

        const journal = await open({ directory: directory.path, shared: false });
        for (const [txid, state] of states) {
          const found = (await journal.find({ txid, branch: 'b' }))?.state;
          // The next step may have landed without its answer, but nothing that was answered is
          // missing.
          expect(state === 'prepared' ? ['prepared', 'committed'] : [state]).toContain(found);
        }
        await journal.close();
      }
      expect(states.size).toBeGreaterThan(20);
    });

    it('orders two processes that share it: each branch has one outcome', async () => {
      const journal = await open({ directory: directory.path, shared: true });
      const child = spawn(process.execPath, [writer, kind, directory.path, '1', 'shared'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const contradictions: string[] = [];
      let committed = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        const { txid, state } = JSON.parse(line) as { txid: Txid; state: string };
        const key = { txid, branch: 'b' };
        const mine = await journal.tombstone(key);
        const found = (await journal.find(key))?.state;
        if (state === 'committed') {
          committed += 1;
          // The other process was answered "committed" here: it stands, whatever this one asks.
          if (mine.kind !== 'contradicted' || found !== 'committed') contradictions.push(txid);
        } else if ((mine.kind === 'contradicted') !== (found === 'committed')) {
          contradictions.push(txid);
        }
        if (committed === 20) child.kill('SIGKILL');
      }
      expect(contradictions).toEqual([]);
      expect(committed).toBeGreaterThanOrEqual(20);
      await journal.close();
    });
  });
}
