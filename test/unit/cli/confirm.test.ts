/** A question at the terminal, and the ways out of it. */
import { expect, it } from 'vitest';
import { exitCodes } from '../../../src/cli/exit-codes.ts';
import { memoryIo, runMain } from '../../support/process/cli-io.ts';

/**
 * Runs `retire` on a terminal at which `keys` are typed. Nothing listens where it would connect.
 */
async function retire(keys: string) {
  const io = memoryIo();
  Object.assign(io.stdin, { isTTY: true });
  Object.assign(io.stderr, { isTTY: true });
  const running = runMain(['retire', 'inventory', 'x', '--url', '127.0.0.1:1'], io);
  io.stdin.write(keys);
  return running;
}

it.each(['n\r', '\r', 'maybe\r', '\u0004'])('%j is a no', async (keys) => {
  const { exitCode, out, errors } = await retire(keys);
  expect({ exitCode, out }).toEqual({ exitCode: exitCodes.ok, out: '' });
  expect(errors).toContain('Go on? [y/N]');
  expect(errors).toMatch(/Nothing was done\.\n$/);
});

it('Ctrl-C stops the command', async () => {
  const { exitCode, errors } = await retire('\u0003');
  expect(exitCode).toBe(exitCodes.interrupted);
  expect(errors).toContain('Stopped by Ctrl-C. Nothing was done.');
});

it('yes goes on', async () => {
  const { exitCode, errors } = await retire('y\r');
  expect(exitCode).toBe(exitCodes.unreachable);
  expect(errors).not.toContain('Nothing was done');
});
