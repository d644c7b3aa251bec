/** The participants connected to this node: their sessions, and which of these are superseded. */
import type { Hello, ParticipantInfo } from '../core/messages.ts';
import { instanceKey } from '../core/names.ts';
import type { Session } from './session.ts';

export class ParticipantSessions {
  readonly #sessions = new Map<number, Session>();
  /** By name and instance: sessions in order of connecting. */
  readonly #instances = new Map<string, Session[]>();

  /**
   * Adds a session, and returns those it replaces. One instance is one process with one durable
   * store: a second connection means that the first is dead, though no one has noticed. Where
   * several processes share the store, and the instance with it, each names itself.
   */
  add(session: Session): Session[] {
    const key = keyOf(session);
    const replaced = session.hello === null ? [] : this.replacedBy(session.hello);
    this.#sessions.set(session.id, session);
    this.#instances.set(key, [...(this.#instances.get(key) ?? []), session]);
    return replaced;
  }

  /** Whose place one with this hello takes. */
  replacedBy({ name, instance, process }: Pick<Hello, 'name' | 'instance' | 'process'>): Session[] {
    const earlier = this.#instances.get(instanceKey(name, instance)) ?? [];
    return earlier.filter((other) => other.hello?.process === process);
  }

  /** Whether one that came later has its place: to let the earlier one in took longer. */
  isPast(session: Session): boolean {
    const later = this.#instances.get(keyOf(session)) ?? [];
    return later.some(
      (other) => other.id > session.id && other.hello?.process === session.hello?.process,
    );
  }

  remove(session: Session): boolean {
    if (!this.#sessions.delete(session.id)) return false;
    const key = keyOf(session);
    const rest = (this.#instances.get(key) ?? []).filter((other) => other !== session);
    if (rest.length === 0) this.#instances.delete(key);
    else this.#instances.set(key, rest);
    return true;
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  info(): ParticipantInfo[] {
    const list: ParticipantInfo[] = [];
    for (const sessions of this.#instances.values()) {
      const hello = sessions.at(-1)?.hello;
      if (hello === null || hello === undefined) continue;
      list.push({
        participant: hello.name,
        instance: hello.instance,
        connections: sessions.length,
        ...(hello.sharedResource === undefined ? {} : { sharedResource: hello.sharedResource }),
      });
    }
    return list.sort((a, b) => (a.participant < b.participant ? -1 : 1));
  }
}

function keyOf({ hello }: Session): string {
  return instanceKey(hello?.name ?? '', hello?.instance ?? '');
}
