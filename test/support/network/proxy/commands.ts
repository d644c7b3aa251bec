/** The proxy's commands, one a line, for people and scripts. */
import type { Disturbance } from './disturbance.ts';
import type { Direction, End } from './pair.ts';
import type { FaultProxy } from './proxy.ts';

export const commandHelp = `Commands, one a line on standard input:
  block [forward|backward]     nothing passes any more, no one is told (forward: towards the target)
  cut                          reset every connection
  half-open dialler|target     reset the other end; this one goes on believing
  refuse                       refuse new connections
  disturb NAME=VALUE... [forward|backward]
                               delayMs, jitterMs, lagMs; drop, duplicate, reorder: shares of the messages, 0 to 1
  heal                         end every fault
  status                       print how many connections stand`;

const disturbanceNames: readonly string[] = [
  'delayMs',
  'jitterMs',
  'lagMs',
  'drop',
  'duplicate',
  'reorder',
  'sparingFirst',
] satisfies readonly (keyof Disturbance)[];

/** Carries one line out. Throws an Error that says what is wrong with it. */
export async function command(proxy: FaultProxy, line: string): Promise<void> {
  const [verb = '', ...words] = line.trim().split(/\s+/);
  switch (verb) {
    case 'block':
      proxy.block(directionOf(words));
      return;
    case 'cut':
      proxy.cut();
      return;
    case 'half-open': {
      const [believer] = words;
      if (believer !== 'dialler' && believer !== 'target') {
        throw new Error(
          'Name the end that goes on believing: half-open dialler, half-open target.',
        );
      }
      proxy.halfOpen(believer satisfies End);
      return;
    }
    case 'refuse':
      proxy.refuse();
      return;
    case 'disturb': {
      const settings = words.filter((word) => word.includes('='));
      const rest = words.filter((word) => !word.includes('='));
      proxy.disturb(Object.fromEntries(settings.map(settingOf)), directionOf(rest));
      return;
    }
    case 'heal':
      await proxy.heal();
      return;
    case 'status':
      return;
    default:
      throw new Error(`There is no command ${JSON.stringify(verb)}.\n${commandHelp}`);
  }
}

function directionOf(words: readonly string[]): Direction | undefined {
  const [word] = words;
  if (word === undefined || word === 'forward' || word === 'backward') return word;
  throw new Error(`A direction is forward or backward, not ${word}.`);
}

function settingOf(word: string): [string, number] {
  const [name = '', value = ''] = word.split('=');
  if (!disturbanceNames.includes(name)) {
    throw new Error(`There is no ${name}; there are ${disturbanceNames.join(', ')}.`);
  }
  if (value === '' || !Number.isFinite(Number(value))) throw new Error(`${name} takes a number.`);
  return [name, Number(value)];
}
