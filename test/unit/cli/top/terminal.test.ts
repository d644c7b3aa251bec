import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { LiveTerminal } from '../../../../src/cli/top/terminal.ts';
import { memoryIo } from '../../../support/process/cli-io.ts';

function terminal(rows = 5) {
  const modes: boolean[] = [];
  const keys: string[] = [];
  let resizes = 0;
  const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 40, rows });
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (isRaw: boolean) => modes.push(isRaw),
  });
  const live = new LiveTerminal(
    { ...memoryIo({ stdout }), stdin },
    {
      key: (key) => keys.push(key),
      resized: () => {
        resizes += 1;
      },
      gone: () => undefined,
    },
  );
  const written = (): string => (stdout.read() ?? '').toString();
  return { live, stdin, stdout, modes, keys, written, resizes: () => resizes };
}

describe('a live terminal', () => {
  it('is left as it was found, once', () => {
    const { live, stdin, modes, written } = terminal();
    const listeners = process.listenerCount('exit');
    live.open();
    expect(written()).toBe('\u001b[?1049h\u001b[?25l\u001b[?7l');
    live.close();
    live.close();
    expect(written()).toBe('\u001b[?7h\u001b[?25h\u001b[?1049l');
    expect(modes).toEqual([true, false]);
    expect(process.listenerCount('exit')).toBe(listeners);
    expect(stdin.listenerCount('data')).toBe(0);
    live.draw(['late']);
    expect(written()).toBe('');
  });

  it('draws no more lines than there are, each to its end, also after it was resized', () => {
    const { live, stdout, written, resizes } = terminal(2);
    live.open();
    written();
    live.draw(['one', 'two', 'three']);
    expect(written()).toBe('\u001b[Hone\u001b[K\r\ntwo\u001b[K\u001b[J');
    stdout.rows = 1;
    stdout.emit('resize');
    expect(resizes()).toBe(1);
    live.draw(['one', 'two', 'three']);
    expect(written()).toBe('\u001b[Hone\u001b[K\u001b[J');
    live.close();
  });

  it('tells keys one by one, and no arrows', async () => {
    const { live, stdin, keys } = terminal();
    live.open();
    stdin.write('ps');
    await new Promise((resolve) => setImmediate(resolve));
    stdin.write('\u001b[A');
    await new Promise((resolve) => setImmediate(resolve));
    stdin.write('\u0003');
    await new Promise((resolve) => setImmediate(resolve));
    expect(keys).toEqual(['p', 's', '\u0003']);
    live.close();
  });
});
