/** What a service that brings no logger reads on its terminal. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { connectedText, stderrLogger } from '../../../src/participant/stderr-logger.ts';

const lines: string[] = [];

beforeEach(() => {
  lines.length = 0;
  vi.spyOn(console, 'error').mockImplementation((line: string) => lines.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
});

it('says once that the participant is connected, and what is wrong as often as it is', () => {
  const logger = stderrLogger('inventory');
  logger.debug({}, 'prepare');
  logger.info({ entries: 3 }, 'the journal is loaded');
  logger.info({ node: 'a', url: 'ws://127.0.0.1:7070/v1' }, connectedText);
  logger.info({ node: 'b', url: 'ws://127.0.0.1:7071/v1' }, connectedText);
  logger.warn({ error: new Error('disk full') }, 'prepare of the application threw');
  logger.error({ alarm: 'log-set-back', message: 'behind', txid: undefined }, 'behind');
  logger.error({}, 'no\u001b[2Jt a\nline');
  expect(lines).toEqual([
    'verdict: inventory: connected to a node (node=a, url=ws://127.0.0.1:7070/v1)',
    'verdict: inventory: prepare of the application threw (error=disk full)',
    'verdict: inventory: behind (alarm=log-set-back)',
    'verdict: inventory: no?[2Jt a?line',
  ]);
});
