/** What a participant counts. */
import { Histogram } from '../core/figures.ts';
import type { ToNode } from '../core/messages.ts';

export class ParticipantFigures {
  readonly votes: Record<'commit' | 'abort' | 'readonly', number> = {
    commit: 0,
    abort: 0,
    readonly: 0,
  };
  /** Decisions that were carried out. */
  readonly ended: Record<'commit' | 'abort', number> = { commit: 0, abort: 0 };
  /** Of decisions that were not; they come again. */
  readonly failed: Record<'commit' | 'abort', number> = { commit: 0, abort: 0 };
  readonly alarms: Map<string, number> = new Map();
  /** From a prepare until what the application made of it; its wait for its turn included. */
  readonly prepare: Histogram = new Histogram();
  /** Connections that a node welcomed. */
  welcomes = 0;

  sent(message: ToNode): void {
    if (message.type === 'vote') this.votes[message.vote] += 1;
    else if (message.type === 'ack') (message.ok ? this.ended : this.failed)[message.decision] += 1;
  }

  alarmed(alarm: string): void {
    this.alarms.set(alarm, (this.alarms.get(alarm) ?? 0) + 1);
  }
}
