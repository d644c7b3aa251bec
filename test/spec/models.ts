/** The specifications, their scenarios, and the names of what must hold. */

export interface Model {
  readonly file: string;
  readonly variables: readonly string[];
  readonly invariants: readonly string[];
  /** Mixes of steps, and which part of the wanted traces each gets. */
  readonly steps: readonly (readonly [step: string, part: number])[];
  /**
   * Good ends, and states without which the invariants would hold for nothing: a run must meet
   * each.
   */
  readonly witnesses: readonly string[];
}

/** The same protocol with fewer kinds of trouble; each gets deeper into one of them. */
export const scenarios: readonly string[] = [
  'failoverStep',
  'requestStep',
  'lostReplyStep',
  'resolveStep',
  'setBackStep',
  'restoreStep',
];
/** With what the replay has no part in: a second process over the database of one participant. */
const moreScenarios: readonly string[] = [
  'siblingStep',
  'siblingLateStep',
  'siblingLearnsStep',
  'retireStep',
  'refusalStep',
  'keptStep',
  'keptLateStep',
];

export const protocol: Model = {
  file: 'verdict.qnt',
  variables: ['s', 'event'],
  invariants: [
    'I1_atomicity',
    'I2_one_decision',
    'I3_unanimity',
    'I4_no_forgetting',
    'I5_absence',
    'I5_below_the_floor',
    'I6_fence',
    'I7_epochs',
    'I8_requests',
    'I9_records',
    'retired_for_ever',
  ],
  steps: [
    ['step', 1 / 2],
    ...[...scenarios, ...moreScenarios].map((step) => [step, 1 / 20] as const),
  ],
  witnesses: [
    'I10_new_leader_finishes',
    'I11_follower_ends_doubt',
    'request_committed',
    'second_attempt_committed',
    'collected',
    'zombie_refused',
    'forced_abort',
    'restored',
    'sibling_commits',
    'sibling_ends_doubt',
    'lost_by_restore',
    'retired_owes_nothing',
    'voted_anew',
    'kept_commits',
    'row_acknowledges',
  ],
};

/** What needs so little of the protocol that it has a small model to itself. */
export const copies: Model = {
  file: 'copies.qnt',
  variables: ['ps', 'record', 'ns', 'leader', 'done', 'event'],
  invariants: ['I1_atomicity', 'I2_one_decision', 'I4_no_forgetting'],
  steps: [['step', 1 / 20]],
  witnesses: ['copy_found_out', 'copy_commits', 'original_ends_late'],
};

export const clusters: Model = {
  file: 'clusters.qnt',
  variables: ['cs', 'running', 'journal', 'serves', 'connected', 'done', 'broken', 'event'],
  invariants: ['I1_atomicity', 'I7_epochs'],
  steps: [['step', 1 / 20]],
  witnesses: ['doubt_outlives_log', 'another_is_served'],
};

export const orphans: Model = {
  file: 'orphans.qnt',
  variables: ['ps', 'entry', 'held', 'outcome', 'done', 'event'],
  invariants: ['I1_atomicity', 'I10_nothing_left'],
  steps: [['step', 1 / 20]],
  witnesses: ['rolled_back_beside_its_prepare', 'votes_after_rollback', 'buried'],
};

export const parts: Model = {
  file: 'parts.qnt',
  variables: ['es', 'ps', 'nextId', 'emptied', 'begun', 'told', 'recorded', 'event'],
  invariants: ['I2_one_decision', 'I5_absence'],
  steps: [['step', 1 / 2]],
  witnesses: ['both_commit', 'commit_is_read', 'late_mark_in_emptied'],
};

export const bindings: Model = {
  file: 'bindings.qnt',
  variables: [
    'ns',
    'hellos',
    'bound',
    'written',
    'rebind',
    'retired',
    'owners',
    'leader',
    'setBack',
    'counted',
    'event',
  ],
  invariants: ['bound_acknowledges', 'one_holder'],
  steps: [
    ['step', 1 / 10],
    ['retirement', 1 / 20],
  ],
  witnesses: [
    'refused',
    'both_acknowledged',
    'read_again',
    'by_memory',
    'bound_again',
    'acknowledged_and_freed',
  ],
};

export const byHand: Model = {
  file: 'byhand.qnt',
  variables: [
    'record',
    'leader',
    'ts',
    'ps',
    'net',
    'writes',
    'replies',
    'answered',
    'broken',
    'event',
  ],
  invariants: [
    'I1_atomicity',
    'I2_one_decision',
    'I4_no_forgetting',
    'I9_collection',
    'settled_for_good',
  ],
  steps: [['step', 1 / 10]],
  witnesses: ['settled', 'learns_late', 'acknowledges_late', 'zombie_refused', 'next_leader_ends'],
};

export const models: readonly Model[] = [
  protocol,
  copies,
  clusters,
  orphans,
  parts,
  bindings,
  byHand,
];
