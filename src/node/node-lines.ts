/** What peers make a node write to its log: never more than it can write beside its work. */
import { LineLimit } from '../coordinator/line-limit.ts';
import type { ErrorCode } from '../core/catalogue.ts';
import type { Hello } from '../core/messages.ts';
import { thrownLine } from '../core/thrown.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { nameOf } from './node-audit.ts';
import { type Pace, PeerBudget } from './peer-budget.ts';
import type { Session } from './session.ts';
import { unquoted } from './unquoted.ts';

/** Lines of participants: of each identity or address, and of all. */
const each: Pace = { burst: 200, perSecond: 0.2 };
const all: Pace = { burst: 2_000, perSecond: 2 };

export class NodeLines {
  readonly #logger: Logger;
  readonly #limit: LineLimit;
  /** Of participants: one that comes and goes must not silence the others. */
  readonly #participants: PeerBudget;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#limit = new LineLimit(clock);
    this.#participants = new PeerBudget({ clock, each, all });
  }

  /** Logs a line unless there were too many of its kind: peers must not be able to fill the log. */
  write(level: 'info' | 'warn' | 'error', kind: string, fields: object, text: string): void {
    const more = this.#limit.take(kind);
    if (more !== null) this.#logger[level]({ ...fields, ...more }, text);
  }

  /** Of a participant that comes, goes or stops. */
  participant(session: Session, text: string, fields: object = {}): void {
    const more = this.#limit.take(text, this.#participants.take(nameOf(session)));
    if (more !== null) this.#logger.info({ ...session.peer, ...fields, ...more }, text);
  }

  /** A message to the peer could not be made: its connection is being closed. */
  unsendable(session: Session, { type, error }: { type: string; error: unknown }): void {
    const { participant: name, instance } = session.peer;
    const fields = { name, instance, type, error: thrownLine(error) };
    const text =
      'A message could not be sent, and its connection is closed. This is a fault of the coordinator: please report it.';
    this.write('error', 'unsendable', fields, text);
  }

  invalid(session: Session, { code, message }: { code: ErrorCode; message: string }): void {
    const { participant: name } = session.peer;
    const fields = { remote: session.connection.remoteAddress, name, code };
    this.#logger.debug({ ...fields, message: unquoted(message) }, 'A message was refused.');
  }

  foreign({ peer }: Session, lines: number): void {
    this.write(
      'error',
      'foreign',
      { event: 'foreign-transactions', ...peer, lines },
      'A participant holds transactions that no leader of this cluster ever gave out: its journal is of another cluster, or the decision log was made anew. They are not judged; see docs/OPERATING.md.',
    );
  }

  copied({ name: participant, instance }: Hello, text: string): void {
    const event = 'journal-copied';
    this.write('error', event, { event, participant, instance }, text);
  }

  bindingsUnread(error: unknown): void {
    const text = 'Whose instance it is could not be read from the log.';
    this.write('warn', text, { error: thrownLine(error) }, text);
  }

  /** The participant logs it too; this line tells whoever looks at the node why it stays away. */
  servedElsewhere({ peer }: Session, served: string, clusterId: string): void {
    const event = 'other-cluster';
    this.write(
      'error',
      event,
      { event, ...peer, served, clusterId },
      'A participant refuses this node: its journal serves the cluster with another id. See docs/OPERATING.md, "A recreated decision log".',
    );
  }
}
