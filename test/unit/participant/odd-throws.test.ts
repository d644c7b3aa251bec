import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/ports/logger.ts';
import {
  commandOf,
  prepareOf,
  rig,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';
import { oddThrows } from '../../support/samples/odd-throws.ts';

const txid = txidOf(1);

/** As pino's: whatever is logged is turned into JSON. */
const jsonLogger = {
  ...silentLogger,
  warn: (fields: object) => void JSON.stringify(fields),
  error: (fields: object) => void JSON.stringify(fields),
};

describe.each([...oddThrows])('an application that throws %s', (_name, thrown) => {
  const settings = { logger: jsonLogger };

  it('in prepare votes abort, and serves the next', async () => {
    const { node, application, fatal } = await rig(settings);
    const n1 = await node('n1');
    n1.take();
    application.answer = () => Promise.reject(thrown);
    await tell(n1, prepareOf(txid));
    expect(said(n1)).toEqual(['vote abort']);
    application.answer = () => ({ vote: 'commit' });
    await tell(n1, prepareOf(txidOf(2)));
    expect(said(n1)).toEqual(['vote commit']);
    expect(fatal).toEqual([]);
  });

  it.each(['commit', 'rollback'] as const)('in %s is called again', async (what) => {
    const { node, application, fatal, clock } = await rig(settings);
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    n1.take();
    application.failures.push(thrown as Error);
    let throwing = true;
    application[what] = async () => {
      if (!throwing) return;
      throwing = false;
      throw thrown;
    };
    await tell(n1, commandOf(what, txid));
    await clock.advance(5_000);
    await settle();
    expect(said(n1).at(-1)).toBe(`ack ${what === 'commit' ? 'commit' : 'abort'} ok`);
    expect(fatal).toEqual([]);
  });
});
