/** Which participants are here, as the terms that this node leads are told. */
import type { ShardDriver } from '../coordinator/shard-driver.ts';
import type { CloseInfo } from '../ports/transport.ts';
import type { Admission } from './admission.ts';
import type { NodeLines } from './node-lines.ts';
import type { ParticipantSessions } from './participants.ts';
import type { Session } from './session.ts';

export interface AttendanceOptions {
  readonly participants: ParticipantSessions;
  readonly drivers: () => ReadonlyMap<number, ShardDriver>;
  readonly admission: Pick<Admission, 'supersededRefusal'>;
  readonly lines: NodeLines;
}

export class Attendance {
  readonly #given: AttendanceOptions;

  constructor(given: AttendanceOptions) {
    this.#given = given;
  }

  /** A term begins: all who are here join it. */
  joinAll(driver: ShardDriver): void {
    for (const session of this.#given.participants.all()) join(driver, session);
  }

  comes(session: Session): void {
    const { participants, drivers, lines } = this.#given;
    const superseded = participants.add(session);
    for (const driver of drivers().values()) join(driver, session);
    for (const earlier of superseded) this.supersede(earlier);
    lines.participant(session, 'Participant connected.');
  }

  /** Another connection has its place. */
  supersede(earlier: Session): void {
    const refusal = this.#given.admission.supersededRefusal(earlier.hello);
    if (refusal !== null) {
      earlier.refuse(refusal.code, refusal.message);
    } else {
      const reason = 'Another connection of this instance took its place.';
      earlier.send({ type: 'goaway', reason });
      earlier.end(1000, 'superseded');
    }
  }

  /** It stops: it ends what it has; its siblings or its next process get new work. */
  leaves(session: Session): void {
    if (session.leaving || !session.is('participant')) return;
    session.leaving = true;
    this.#step({ type: 'participant-leaves', connection: session.id });
    this.#given.lines.participant(session, 'Participant is stopping.');
  }

  /** False: it was not here. */
  goes(session: Session, { kind }: CloseInfo): boolean {
    if (!session.is('participant') || !this.#given.participants.remove(session)) return false;
    this.#step({ type: 'participant-lost', connection: session.id });
    this.#given.lines.participant(session, 'Participant disconnected.', { why: kind });
    return true;
  }

  #step(event: Parameters<ShardDriver['step']>[0]): void {
    for (const driver of this.#given.drivers().values()) driver.step(event);
  }
}

function join(driver: ShardDriver, session: Session): void {
  const hello = session.hello;
  if (hello === null) return;
  driver.step({
    type: 'participant-connected',
    connection: session.id,
    participant: hello.name,
    instance: hello.instance,
    sharedResource: hello.sharedResource ?? null,
    process: hello.process ?? null,
  });
  // A term that begins now was not told.
  if (session.leaving) driver.step({ type: 'participant-leaves', connection: session.id });
}
