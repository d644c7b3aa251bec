/** How a step of the trace and a step of the core are held against each other. */
import type { SpecMessage, SpecReply, SpecState, SpecWrite } from './itf.ts';

const fromNode = ['prepare', 'commit', 'rollback', 'forget', 'answer commit', 'answer abort'];

export function isFromNode(message: SpecMessage): boolean {
  return fromNode.includes(message.kind);
}

export function newMessages(before: SpecState, after: SpecState): SpecMessage[] {
  const had = new Set(before.net.fresh.map((one) => JSON.stringify(one)));
  return after.net.fresh.filter((one) => !had.has(JSON.stringify(one)));
}

export function toldSince(before: SpecState, after: SpecState): string[] {
  const spell = ([attempt, outcome]: readonly [number, string]): string => `${attempt} ${outcome}`;
  const had = new Set(before.history.told.map(spell));
  return after.history.told.map(spell).filter((one) => !had.has(one));
}

export function keyOfReply(reply: SpecReply): string {
  return JSON.stringify(reply);
}

export function keyOfWrite(write: SpecWrite): string {
  return JSON.stringify(write);
}

export function equal<T>(actual: T, { expected, what }: { expected: T; what: string }): void {
  if (actual !== expected) {
    throw new Error(
      `${what}: the core has ${String(actual)}, the specification ${String(expected)}`,
    );
  }
}

export function within(some: Iterable<string>, all: ReadonlySet<string>, what: string): void {
  for (const one of some) if (!all.has(one)) throw new Error(`${what}: ${one}`);
}

export function sameSets(core: ReadonlySet<string>, spec: ReadonlySet<string>, what: string): void {
  within(core, spec, `${what}, of the core alone`);
  within(spec, core, `${what}, of the specification alone`);
}
