/** A flood of refused connections in the audit log. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Refusals } from '../../../src/node/refusals.ts';
import type { AuditEvent, ConnectionRefused } from '../../../src/ports/audit.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

let clock: ManualClock;
let events: AuditEvent[];
let refusals: Refusals;

beforeEach(() => {
  clock = new ManualClock();
  events = [];
  const audit = {
    write: (event: AuditEvent): void => {
      events.push(event);
    },
    close: async (): Promise<void> => undefined,
  };
  refusals = new Refusals(audit, clock);
});

function knock(address: string, code = 'HTTP_401'): ConnectionRefused {
  return { event: 'connection-refused', stage: 'upgrade', address, code, why: 'x' };
}

function count(event: AuditEvent['event']): number {
  return events.filter((each) => each.event === event).length;
}

describe('refused connections', () => {
  it('of one address leave room for those of others', () => {
    for (let time = 0; time < 500; time += 1) refusals.refused(knock('10.0.0.1'));
    expect(count('connection-refused')).toBe(10);
    refusals.refused(knock('10.0.0.2'));
    expect(events.at(-1)).toEqual(knock('10.0.0.2'));
  });

  it('of one network of IPv6 count as those of one address', () => {
    for (let time = 0; time < 500; time += 1) refusals.refused(knock(`2001:db8:1:2::${time}`));
    refusals.refused(knock('2001:db8:1:2::/64'));
    expect(count('connection-refused')).toBe(10);
    refusals.refused(knock('2001:db8:1:3::1'));
    expect(events.at(-1)).toEqual(knock('2001:db8:1:3::1'));
  });

  it('of a thousand addresses are as many as of few in the long run', async () => {
    for (let second = 0; second < 600; second += 1) {
      for (let time = 0; time < 50; time += 1) {
        refusals.refused(knock(`10.0.${second % 256}.${time}`));
      }
      await clock.advance(1_000);
    }
    expect(count('connection-refused')).toBeLessThanOrEqual(100 + 600);
    expect(count('connection-refused')).toBeGreaterThan(600);
    expect(count('refusals-left-out')).toBeLessThanOrEqual(60);
  });

  it('that are left out are counted, each once', async () => {
    for (let time = 0; time < 15; time += 1) refusals.refused(knock('10.0.0.1'));
    for (let time = 0; time < 4; time += 1) refusals.refused(knock('10.0.0.1', 'HTTP_429'));
    await clock.advance(10_000);
    const codes = { HTTP_401: 5, HTTP_429: 4 };
    expect(events.at(-1)).toEqual({ event: 'refusals-left-out', count: 9, codes });
    // Meanwhile it may be written once more.
    refusals.refused(knock('10.0.0.1'));
    refusals.refused(knock('10.0.0.1'));
    refusals.close();
    expect(events.at(-1)).toMatchObject({ count: 1 });
    expect(clock.timers).toBe(0);
  });
});
