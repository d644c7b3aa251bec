/** Looks again and again until there is something, and no longer than is reasonable. */
import { setTimeout as pause } from 'node:timers/promises';

const waitMs = 60_000;
const pauseMs = 2;

/** Resolves with what `look` found. It finds nothing as long as it says false or null. */
export async function until<Found>(
  what: string,
  look: () => Promise<Found | false | null> | Found | false | null,
): Promise<Found> {
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== null) return found;
    if (performance.now() > deadlineMs) {
      throw new Error(`Waited ${waitMs / 1_000} s for ${what}.`);
    }
    await pause(pauseMs);
  }
}
