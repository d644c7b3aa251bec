/** All that a node sends. */
import { toClient } from './shapes/client.ts';
import { toExplainer } from './shapes/explain.ts';
import { toAnyone } from './shapes/greeting.ts';
import { toOperator } from './shapes/operator.ts';
import { toParticipant } from './shapes/participant.ts';
import { toObserver } from './shapes/stats.ts';
import { steered } from './shapes/steering.ts';
import type { FromNodeShapes } from './shapes.ts';

export const fromNodeShapes: FromNodeShapes = {
  ...toAnyone,
  ...toClient,
  ...toParticipant,
  ...toOperator,
  ...toExplainer,
  ...toObserver,
  ...steered,
};
