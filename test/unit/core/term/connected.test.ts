/**
 * The connections of a participant, as many as there are: what one of them costs does not grow with
 * their number.
 */
import { describe, expect, it } from 'vitest';
import { ConnectedParticipants } from '../../../../src/core/term/connected.ts';
import { ownerBytes } from '../../../../src/core/term/requests/record-size.ts';

let looks = 0;

/** Counts each look at one of its fields. */
function counted(connection: number, instance = `i${connection}`) {
  const peer = { connection, participant: 'a', instance, sharedResource: null, process: null };
  return new Proxy(peer, {
    get: (target, field, receiver) => {
      looks += 1;
      return Reflect.get(target, field, receiver);
    },
  });
}

describe('many connections of one participant', () => {
  it('come and go, each at the price of a few', () => {
    const lookedAt = (count: number): number => {
      const connected = new ConnectedParticipants();
      looks = 0;
      for (let one = 1; one <= count; one += 1) connected.add(counted(one));
      for (let one = 1; one <= count; one += 1) connected.remove(one);
      expect(connected.has('a')).toBe(false);
      return looks;
    };
    expect(lookedAt(2_000)).toBeLessThanOrEqual(10 * lookedAt(200));
  });

  it('leave the longest name of those that are still there, and their order', () => {
    const connected = new ConnectedParticipants();
    const names = ['short', 'longer than that', 'longer than this', 'the longest of them all'];
    const longest = (...left: string[]): number =>
      Math.max(0, ...left.map((instance) => ownerBytes({ instance, sharedResource: null })));
    for (const [at, name] of names.entries()) connected.add(counted(at, name));
    expect(connected.longestOwner('a')).toBe(longest(...names));
    connected.remove(3);
    expect(connected.longestOwner('a')).toBe(longest('longer than this'));
    connected.remove(1);
    expect(connected.longestOwner('a')).toBe(longest('longer than this'));
    connected.remove(2);
    expect(connected.longestOwner('a')).toBe(longest('short'));
    connected.remove(0);
    expect(connected.longestOwner('a')).toBe(0);
    expect(connected.remove(0)).toBeNull();
  });
});
