/** Clients on a host of their own, and what they tell. */

import type { Change } from '../etcd/etcd-history.ts';
import type { LogContents } from '../logs/log-contents.ts';
import type { TlsFiles } from '../network/security.ts';
import { Child, eventually, ofBuild } from '../process/child.ts';
import type { RecordedCall } from './history.ts';

export interface CallerSettings {
  readonly urls: readonly string[];
  readonly endpoints: readonly string[];
  readonly cluster: string;
  readonly participants: readonly string[];
  readonly tls?: TlsFiles;
}

/** The log as it was read at one moment. */
export interface ToldLog {
  readonly log: LogContents;
  readonly changes: readonly Change[];
}

export class CallerProcess {
  readonly child: Child;

  /** `build`: the root of another version. */
  constructor(settings: CallerSettings, through: readonly string[], build?: string) {
    this.child = new Child(ofBuild('test/support/clients/caller-entry.ts', build), {
      args: [JSON.stringify(settings)],
      through,
    });
  }

  /** Those that have ended. */
  get calls(): RecordedCall[] {
    return this.child.lines
      .filter((line) => line.startsWith('{"event":"call"'))
      .map((line) => (JSON.parse(line) as { call: RecordedCall }).call);
  }

  /** Resolves when a call that ends from now on has committed. */
  async commits(): Promise<void> {
    const before = this.calls.length;
    await eventually(
      () => (this.calls.slice(before).some(({ ended }) => ended === 'ok') ? true : null),
      () => `a commit:\n${this.child.lines.slice(-5).join('\n')}`,
    );
  }

  /** No more calls from now on. */
  finish(): void {
    this.child.signal('SIGTERM');
  }

  /** The newest reading; null before the last call has ended. */
  log(): ToldLog | null {
    const line = this.child.lines.findLast((each) => each.startsWith('{"event":"log"'));
    if (line === undefined) return null;
    const told = JSON.parse(line) as ToldLog;
    const changes = told.changes.map((each) => ({ ...each, revision: BigInt(each.revision) }));
    return { log: told.log, changes };
  }
}
