import { describe, expect, it } from 'vitest';
import { LineLimit } from '../../../src/coordinator/line-limit.ts';
import { Notes } from '../../../src/coordinator/notes.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';
import { leaderInfo } from '../../support/samples/messages.ts';

describe('lines that peers cause', () => {
  it('are written as they come, until there are too many; the next says how many were left out', () => {
    const clock = new ManualClock();
    const limit = new LineLimit(clock);
    const taken = Array.from({ length: 1_000 }, () => limit.take('vote-refused'));
    const written = taken.filter((each) => each !== null);
    expect(written.length).toBeGreaterThan(0);
    expect(written.length).toBeLessThan(100);
    // Another kind is not silenced with it.
    expect(limit.take('attention')).toEqual({});
    clock.jump(1_000);
    expect(limit.take('vote-refused')).toEqual({ suppressed: 1_000 - written.length });
    expect(limit.take('vote-refused')).toEqual({});
  });

  it('are all there at level debug', () => {
    const levels: string[] = [];
    const notes = new Notes({
      clock: new ManualClock(),
      leader: leaderInfo('n'),
      logger: {
        ...silentLogger,
        debug: () => levels.push('debug'),
        warn: () => levels.push('warn'),
      },
    });
    for (let left = 1_000; left > 0; left -= 1) {
      notes.write({ level: 'debug', event: 'vote' });
      notes.write({ level: 'warn', event: 'vote-refused' });
    }
    expect(levels.filter((level) => level === 'debug')).toHaveLength(1_000);
    expect(levels.filter((level) => level === 'warn').length).toBeLessThan(100);
  });
});
