/** All that a node receives. */
import { fromClient } from './shapes/client.ts';
import { fromExplainer } from './shapes/explain.ts';
import { toAnyone } from './shapes/greeting.ts';
import { fromAnyone } from './shapes/hello.ts';
import { fromOperator } from './shapes/operator.ts';
import { fromParticipant } from './shapes/participant.ts';
import { fromObserver } from './shapes/stats.ts';
import { steering } from './shapes/steering.ts';
import type { ToNodeShapes } from './shapes.ts';

export const toNodeShapes: ToNodeShapes = {
  ...fromAnyone,
  ...fromClient,
  ...fromParticipant,
  ...fromOperator,
  ...fromExplainer,
  ...fromObserver,
  ...steering,
  // Both sides may send these two.
  error: toAnyone.error,
  goaway: toAnyone.goaway,
};
