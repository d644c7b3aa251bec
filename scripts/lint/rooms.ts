/**
 * The rooms of a term (src/core/term): each has a door, the file with its own name, and a state
 * that only its files read and change. Rooms import each other one way.
 */
import type { Node } from './architecture.ts';

const term = 'src/core/term/';

/** By room: those that it may import. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  flow: [],
  requests: [],
  listing: [],
  locks: ['requests'],
  'phase-two': ['flow', 'listing', 'locks', 'requests'],
  'phase-one': ['flow', 'listing', 'locks', 'requests', 'phase-two'],
  recovery: ['listing', 'locks', 'requests', 'phase-two', 'phase-one'],
  operator: ['listing', 'phase-two', 'recovery'],
  intake: ['flow', 'listing', 'locks', 'requests', 'phase-two', 'phase-one', 'recovery'],
};

/** The field of the term's state that is a room's own. */
const fields: ReadonlyMap<string, string> = new Map(
  Object.keys(rooms).map((room) => [
    room.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
    room,
  ]),
);

export function roomOf(file: string): string | undefined {
  const [room, inside] = file.startsWith(term) ? file.slice(term.length).split('/') : [];
  return inside === undefined ? undefined : room;
}

/** Why the file may not import this one, which is in a room. */
export function roomProblem(file: string, target: string): string | undefined {
  const from = roomOf(file);
  const to = roomOf(target) ?? '';
  if (from === to) return undefined;
  if (rooms[to] === undefined) return `${term}${to} has no rule yet: say in scripts/lint/rooms.ts.`;
  if (target !== `${term}${to}/${to}.ts`) return `Use the door of the room: ${to}/${to}.ts.`;
  return from === undefined || rooms[from]?.includes(to) === true
    ? undefined
    : `The room ${from} must not import the room ${to}: see scripts/lint/rooms.ts.`;
}

/** `state.flow`, or `{ flow }` taken out of a state, in another room. */
export function stateProblem(file: string, node: Node): string | undefined {
  if (!file.startsWith(term)) return undefined;
  for (const name of fieldsOf(node)) {
    const room = fields.get(name);
    if (room !== undefined && room !== roomOf(file)) {
      return `state.${name} is the room ${room}'s own: use its door, ${room}/${room}.ts.`;
    }
  }
  return undefined;
}

function* fieldsOf({ type, object, property, id, init, properties, typeAnnotation }: Node) {
  if (type === 'MemberExpression' && object?.name === 'state') yield property?.name ?? '';
  const taken = type === 'VariableDeclarator' && init?.name === 'state' ? id : undefined;
  const given = typeAnnotation?.typeAnnotation?.typeName?.name === 'TermState';
  for (const { key } of taken?.properties ?? (given ? properties : undefined) ?? []) {
    yield key?.name ?? '';
  }
}
