import { describe, expect, it } from 'vitest';
import { LogLevelControl } from '../../../src/node/log-level.ts';
import type { LogLevel } from '../../../src/ports/logger.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

function rig(): {
  clock: ManualClock;
  log: { level: LogLevel };
  debug: boolean[];
  control: LogLevelControl;
} {
  const clock = new ManualClock();
  const log = { level: 'info' as LogLevel };
  const debug: boolean[] = [];
  const control = new LogLevelControl(
    clock,
    {
      get: () => log.level,
      set: (level) => {
        log.level = level;
      },
    },
    (wanted) => debug.push(wanted),
  );
  return { clock, log, debug, control };
}

describe('the level of the log, changed while a node runs', () => {
  it('is as the node was started once the time is over', async () => {
    const { clock, log, debug, control } = rig();
    expect(control.set('debug', 1_000)).toBe('info');
    expect([log.level, ...debug]).toEqual(['debug', true]);
    await clock.advance(999);
    expect(log.level).toBe('debug');
    await clock.advance(1);
    expect([log.level, ...debug]).toEqual(['info', true, false]);
  });

  it('stays where a later change has no time, or is gone back from once', async () => {
    const { clock, log, control } = rig();
    control.set('debug', 1_000);
    expect(control.set('warn')).toBe('debug');
    await clock.advance(5_000);
    expect(log.level).toBe('warn');
    control.set('debug', 1_000);
    control.set('error', 3_000);
    await clock.advance(2_999);
    expect(log.level).toBe('error');
    await clock.advance(1);
    expect(log.level).toBe('info');
    expect(clock.timers).toBe(0);
  });
});
