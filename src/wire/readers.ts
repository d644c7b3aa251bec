/** What reads every message of a direction. */
import { fromNodeShapes } from './shapes-from-node.ts';
import { toNodeShapes } from './shapes-to-node.ts';
import { type Direction, type Readers, readersOf } from './validate.ts';

export const readers: { readonly [D in Direction]: Readers<D> } = {
  'to-node': readersOf('to-node', toNodeShapes, Object.keys(fromNodeShapes)),
  'from-node': readersOf('from-node', fromNodeShapes, Object.keys(toNodeShapes)),
};
