/** A process that runs transactions in the library mode, and what it told before it ended. */
import { join } from 'node:path';
import type { CrashPoint } from '../../../src/coordinator/crash-points.ts';
import type { LogChoice, RecoveryReport } from '../../../src/embedded.ts';
import { type FilePoint, type FileState, readStates } from '../participants/file-participant.ts';
import { Child, type Exit } from '../process/child.ts';

export const fileParticipantNames = ['inventory', 'payment', 'shipping'] as const;

export interface EmbeddedProcessSettings {
  readonly log: LogChoice;
  /** Where the participants keep their files. */
  readonly state: string;
  readonly seed: number;
  /** Begin no transaction: recover, wait until nothing is left, close, end. */
  readonly recoverOnly?: boolean;
  /** kill -9 of itself when it passes the point for the `times`th time. */
  readonly crashAt?: { readonly point: CrashPoint | FilePoint; readonly times: number };
  readonly loops?: number;
}

export type Told =
  | { readonly event: 'recovered'; readonly report: RecoveryReport }
  | { readonly event: 'begun'; readonly txid: string; readonly participants: readonly string[] }
  | { readonly event: 'answered'; readonly txid: string; readonly committed: boolean };

export class EmbeddedProcess {
  readonly child: Child;

  constructor(settings: EmbeddedProcessSettings, entry: 'embedded' | 'wild' = 'embedded') {
    this.child = new Child(`test/support/library/${entry}-entry.ts`, {
      args: [JSON.stringify(settings)],
    });
  }

  get exited(): Promise<Exit> {
    return this.child.exited;
  }

  told(): Told[] {
    return this.child.lines
      .filter((line) => line.startsWith('{"event"') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Told);
  }

  async recovered(): Promise<RecoveryReport> {
    const line = await this.child.line(/^\{"event":"recovered"/);
    if (line === null)
      throw new Error(`It ended before it recovered:\n${this.child.lines.join('\n')}`);
    return (JSON.parse(line) as Extract<Told, { event: 'recovered' }>).report;
  }
}

export interface Verdicts {
  readonly transactions: number;
  readonly committed: number;
  readonly aborted: number;
}

/**
 * I1 and I2 over all that the processes told and the participants hold; throws with every breach.
 * Nothing may be in doubt.
 */
export function checkOutcomes(state: string, told: readonly Told[]): Verdicts {
  const states = new Map<string, Map<string, FileState>>(
    fileParticipantNames.map((name) => [name, readStates(join(state, name))]),
  );
  const wrong: string[] = [];
  let committed = 0;
  let transactions = 0;
  const answers = new Map<string, boolean>();
  for (const each of told) if (each.event === 'answered') answers.set(each.txid, each.committed);
  for (const each of told) {
    if (each.event !== 'begun') continue;
    transactions += 1;
    const held = each.participants.map((name) => states.get(name)?.get(each.txid) ?? 'nothing');
    const all = held.every((one) => one === 'committed');
    const none = held.every((one) => one === 'rolled-back' || one === 'nothing');
    const answer = answers.get(each.txid);
    if (all) committed += 1;
    if ((!all && !none) || (answer !== undefined && answer !== all)) {
      wrong.push(
        `${each.txid}: ${each.participants.map((n, i) => `${n} ${held[i]}`)}, answered ${answer}`,
      );
    }
  }
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  return { transactions, committed, aborted: transactions - committed };
}
