import process from 'node:process';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

/** Names this start of the process. Earlier starts sort first; people see when, and the pid. */
export function runOf(clock: Clock, random: Random): string {
  return `${new Date(clock.wallMs()).toISOString()}/${process.pid}/${random.token(8)}`;
}
