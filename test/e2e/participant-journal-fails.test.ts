/** The journal of a participant cannot be written any more: what its service is told, and when. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';

it.each(['lmdb', 'sqlite'] as const)(
  '%s: onFatal is called once, of a dead participant',
  async (journalKind) => {
    const directory = temporaryDirectory();
    const node = await NodeProcess.started({
      data: join(directory.path, 'node'),
      options: quickOptions,
    });
    try {
      const dataDirectory = join(directory.path, 'stock');
      await using client = await connect({ urls: [node.url], name: 'shop' });
      await using tx = await client.begin();
      const told: Error[] = [];
      const enlisted: Promise<unknown>[] = [];
      await using stock = await serveParticipant({
        name: 'stock',
        urls: [node.url],
        dataDirectory,
        journalKind,
        logger: silentLogger,
        prepare: () => vote.commit(),
        commit: () => undefined,
        rollback: () => undefined,
        onFatal: (error) => {
          told.push(error);
          enlisted.push(stock.enlist(tx.txid, {}).catch((refused: unknown) => refused));
        },
      });
      await stock.connected();
      rmSync(dataDirectory, { recursive: true });
      const outcome = await client.transact({ branches: [{ participant: 'stock' }] });
      expect(outcome.outcome).toBe('aborted');
      expect(told.map(({ message }) => message)).toEqual([expect.stringContaining(dataDirectory)]);
      expect(await Promise.all(enlisted)).toEqual([expect.objectContaining({ code: 'CLOSED' })]);
    } finally {
      await node.stop();
      directory.remove();
    }
  },
);
