import type { ParticipantOptions } from '../core/participant-options.ts';
import type { Clock } from '../ports/clock.ts';
import type { Journal } from '../ports/journal.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Resource } from '../ports/resource.ts';
import type { ParticipantReached } from './crash-points.ts';
import type { ParticipantFigures } from './figures.ts';

/** What all parts of a participant work with. */
export interface ParticipantContext {
  readonly participant: string;
  readonly journal: Journal;
  readonly resource: Resource;
  readonly options: ParticipantOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What it counts; absent: nothing. */
  readonly figures?: ParticipantFigures;
  readonly reached: ParticipantReached;
  /** What is in memory, or in the journal, can no longer be trusted. */
  readonly fatal: (error: unknown) => void;
}
