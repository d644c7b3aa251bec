/** What whoever connects says of itself. */
import { type Hello, maxEarlierRuns, peerRoles, type Renew } from '../../core/messages.ts';
import { maxJwtBytes, maxTokenBytes } from '../limits.ts';
import { id, key, type ShapesOf, understood } from '../shapes.ts';
import { boolean, filled, integer, list, oneOf, optional, required, text } from '../validators.ts';

export const fromAnyone: ShapesOf<Hello | Renew> = {
  hello: {
    protocol: required(integer(0, 65_535), 'The version spoken: 1.'),
    name: required(key, 'Of the participant, client or node.'),
    instance: required(
      key,
      "An id kept in the peer's durable store; a client's belongs to its process.",
    ),
    roles: required(filled(list(oneOf(peerRoles), 16)), 'What the peer wants to be.'),
    token: optional(
      text(maxTokenBytes),
      'Proves that the peer belongs to the installation, if the node asks for it.',
    ),
    proof: optional(key, 'That the peer knows the token that it named as it came.'),
    sharedResource: optional(
      key,
      "Instances that name the same one may take over each other's branches.",
    ),
    process: optional(
      key,
      'Which process this is, if several share one journal and so its instance.',
    ),
    run: optional(
      key,
      'Of a participant: this start of its process, as START/PID/RANDOM; earlier starts sort first.',
    ),
    earlierRuns: optional(
      list(key, maxEarlierRuns),
      "The newest earlier runs in the participant's journal: they came first, whatever the clocks say.",
    ),
    copy: optional(
      boolean,
      'A node refused this run with JOURNAL_COPIED; the others need not find out again.',
    ),
    understands: optional(
      understood,
      'Messages that not every version knows, and this peer does: `describe`.',
    ),
  },
  renew: {
    id,
    token: required(text(maxJwtBytes), 'A fresh JWT of the same identity.'),
  },
};
