/**
 * Which instances and shared resources of a participant a cluster knows, for names that a person
 * types: those that are connected, and those that branches of its transactions belong to. A leader
 * that is new has these from the records of the log. What was retired, or is bound to an identity,
 * a node looks up by name.
 */
import type { Retired } from '../../core/retired.ts';
import { systemClock } from '../../system/clock.ts';
import { nearestFirst } from '../nearest.ts';
import { Changes } from './changes.ts';
import type { KnownOwners, Operator } from './operator.ts';

const maxShown = 10;
/** A leader that has just begun reads its log. */
const readingMs = 2_000;
const againMs = 200;

export async function lookUp(operator: Operator, retired: Retired): Promise<KnownOwners> {
  const untilMs = systemClock.monotonicMs() + readingMs;
  let known = await operator.owners(retired.participant);
  while (!known.complete && !known.older && seenAs(known, retired) === null) {
    if (systemClock.monotonicMs() >= untilMs) break;
    await new Changes().wait(againMs);
    // Its time may be over by then: what was heard before is better than nothing.
    const last = known;
    known = await operator.owners(retired.participant).catch(() => last);
  }
  return known;
}

/** Null: not at all. */
export function seenAs(
  { connected, owners }: KnownOwners,
  retired: Retired,
): 'connected' | 'owner' | null {
  const mine = ofParticipant(connected, retired);
  if (mine.some((one) => isIt(retired, one))) return 'connected';
  return owners.some((one) => isIt(retired, one)) ? 'owner' : null;
}

/** What there is instead of it. */
export function knownText(known: KnownOwners, retired: Retired): string {
  const { participant } = retired;
  const names = namesOf([...ofParticipant(known.connected, retired), ...known.owners], retired);
  const wanted = 'instance' in retired ? retired.instance : retired.sharedResource;
  const what = 'instance' in retired ? 'instances' : 'shared resources';
  const partly =
    known.complete || known.older
      ? ''
      : ' What all leaders hold is not known yet: look again in a while.';
  if (names.length > 0) {
    return `The ${what} of ${participant} that are connected or have work, the nearest first: ${listed(wanted, names)}.${partly}`;
  }
  const others = [...new Set(known.connected.map((each) => each.participant))];
  const none = `No ${what} of ${participant} are connected or have work.`;
  return others.length === 0 || others.includes(participant)
    ? `${none}${partly}`
    : `${none} The participants that are connected, the nearest first: ${listed(participant, others)}.${partly}`;
}

/** Whoever leads would retire it unseen. */
export function olderText(known: KnownOwners, retired: Retired): string {
  return `It is not connected, and a leader runs an earlier version, which does not say what else it knows. Nothing was done. ${knownText(known, retired)} If the name is right, do it with --force.`;
}

function listed(wanted: string, names: readonly string[]): string {
  const first = nearestFirst(wanted, names).slice(0, maxShown);
  const more = names.length - first.length;
  return `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

interface Named {
  readonly instance: string;
  readonly sharedResource?: string;
}

function ofParticipant(
  connected: KnownOwners['connected'],
  { participant }: Retired,
): KnownOwners['connected'] {
  return connected.filter((each) => each.participant === participant);
}

function isIt(retired: Retired, { instance, sharedResource }: Named): boolean {
  return 'instance' in retired
    ? retired.instance === instance
    : retired.sharedResource === sharedResource;
}

function namesOf(all: readonly Named[], retired: Retired): string[] {
  const names = all.map((one) => ('instance' in retired ? one.instance : one.sharedResource));
  return [...new Set(names.filter((name) => name !== undefined))];
}
