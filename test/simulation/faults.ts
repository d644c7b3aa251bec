/**
 * Which faults a run has, and how much of each: a swarm. Each seed draws a subset, and for each a
 * rate of its own, for a run with all faults at once never gets far enough to show what two of them
 * do together.
 */
import type { Chance } from './world/chance.ts';

export const faultNames = [
  'node-crash',
  'node-effect-crash',
  'node-point-crash',
  'node-stop',
  'node-pause',
  'node-vanish',
  'participant-crash',
  'participant-effect-crash',
  'participant-point-crash',
  'participant-pause',
  'client-crash',
  'partition',
  'one-way',
  'etcd-cut',
  'connection-reset',
  'message-delay',
  'message-duplicate',
  'equivocate',
  'etcd-lost',
  'etcd-answer-lost',
  'etcd-refused',
  'etcd-late',
  'etcd-slow',
  'etcd-down',
  'etcd-leader-change',
  'etcd-full',
  'etcd-set-back',
  'watch-deaf',
  'clock-drift',
  'wall-jump',
  'slow-disk',
  'application-fails',
  'refuses',
  'slow-prepare',
  // What came later is drawn behind the others, so that those stay as they were.
  'suspend',
  'options-differ',
  'retire',
  'siblings',
  'journal-lost',
  'etcd-set-back-at-takeover',
  'retire-shared',
  'shared-journal',
  'store-keeps',
  'read-together',
  'left-to-sibling',
  'etcd-set-back-unattended',
  'settled-by-hand',
] as const;
export type FaultName = (typeof faultNames)[number];

/** From 0 (never) to 1 (as much of it as makes sense). */
export type Faults = Readonly<Partial<Record<FaultName, number>>>;

export function drawFaults(chance: Chance): Faults {
  // Few in some runs, many in others.
  const share = chance.pick([0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7]);
  const strongest = chance.pick([0.3, 1, 1]);
  const faults: Partial<Record<FaultName, number>> = {};
  for (const name of faultNames) {
    const intensity = chance.logarithmic(0.05, strongest);
    // As it is printed, so that the printed one gives the same run.
    if (chance.happens(share)) faults[name] = Number(intensity.toPrecision(3));
  }
  return faults;
}

export function parseFaults(text: string): Faults {
  const faults: Partial<Record<FaultName, number>> = {};
  for (const part of text.split(',').filter((each) => each !== '')) {
    const [name = '', value = '1'] = part.split('=');
    if (!faultNames.includes(name as FaultName)) {
      throw new Error(`There is no fault ${name}; there are ${faultNames.join(', ')}.`);
    }
    faults[name as FaultName] = Number(value);
  }
  return faults;
}

export function formatFaults(faults: Faults): string {
  return Object.entries(faults)
    .map(([name, intensity]) => `${name}=${intensity}`)
    .join(',');
}
