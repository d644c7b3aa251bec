/**
 * Faults planted in the production code, one at a time: each takes away a rule that
 * docs/PROTOCOL.md says is needed. A simulation that does not find one is not looking there.
 */
export interface Mutant {
  readonly name: string;
  /** The rule that is gone. */
  readonly without: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Faults to draw instead of the seed's own, where the rule is about few of them. */
  readonly faults?: string;
}

export const mutants: readonly Mutant[] = [
  {
    name: 'no-fence',
    without: 'I6: every write of a leader compares its epoch.',
    file: 'src/decision-log/etcd/leader-key.ts',
    from: 'return [modIs(keys.leader, held.modRevision), valueIs(keys.leader, held.value)];',
    to: 'return [];',
  },
  {
    name: 'no-nonce',
    without:
      'I6: the fence compares the nonce, for a restored etcd gives the same revisions again.',
    file: 'src/decision-log/etcd/leader-key.ts',
    from: 'return [modIs(keys.leader, held.modRevision), valueIs(keys.leader, held.value)];',
    to: 'return [modIs(keys.leader, held.modRevision)];',
    faults: 'etcd-set-back-at-takeover=1',
  },
  {
    name: 'answer-before-durable',
    without: 'A commit leaves only after the result of its decision came back.',
    file: 'src/coordinator/shard-driver.ts',
    from: 'const result = await answered;',
    to: "answered.catch(() => undefined); const result = { type: 'written' } as const;",
  },
  {
    name: 'vote-before-durable',
    without: '8.1: the vote is on the disk before it is sent.',
    file: 'src/participant/effects.ts',
    from: 'kept === null ? journal.vote(vote) : Promise.resolve(voteCounts);',
    to: 'kept === null ? Promise.race([journal.vote(vote), Promise.resolve(voteCounts)]) : Promise.resolve(voteCounts);',
  },
  {
    name: 'ack-before-flush',
    without: '8.5: only what is durable is acknowledged.',
    file: 'src/participant/effects.ts',
    from: 'branches.underWay.await(journal.committed(branch.identity), (result) => {',
    to: "branches.underWay.await(Promise.race([journal.committed(branch.identity), Promise.resolve({ kind: 'written' } as const)]), (result) => {",
  },
  {
    name: 'no-tombstone',
    without: '8.2: a rollback is remembered.',
    file: 'src/journal/journal-rules.ts',
    from: "  if (there?.state === 'tombstone') return { kind: 'repeated' };\n  bury(",
    to: "  if (there?.state !== 'committed') return { kind: 'written' };\n  bury(",
  },
  {
    name: 'vote-counted-twice',
    without: 'I3: every branch has voted; a repeat of a counted vote counts nothing.',
    file: 'src/core/term/phase-one/prepare.ts',
    from: "if (branch.state !== 'preparing' || branch.connection !== from.connection) {",
    to: 'if (false) {',
  },
  {
    name: 'no-unanimity',
    without: 'I3: every branch has voted.',
    file: 'src/core/term/phase-one/prepare.ts',
    from: 'if (transaction.votesOwed === 0) allVoted(state, transaction);',
    to: 'if (transaction.votesOwed <= 1) allVoted(state, transaction);',
  },
  {
    name: 'prepare-after-decision',
    without: 'No prepare is sent once the transaction is decided.',
    file: 'src/core/term/phase-two/phase-two.ts',
    from: "type: committing ? 'commit' : 'rollback',\n      txid: transaction.txid,\n      branch: branch.branch,\n      epoch,\n    });",
    to: "type: committing ? 'commit' : 'rollback',\n      txid: transaction.txid,\n      branch: branch.branch,\n      epoch,\n    });\n    state.send(peer.connection, { type: 'prepare', txid: transaction.txid, branch: branch.branch, epoch, witness: state.witness, timeoutMs: 1000, payload: null });",
  },
  {
    name: 'unknown-is-aborted',
    without: 'A decision whose answer was lost is unknown until it is read.',
    file: 'src/core/term/recovery/lost.ts',
    from: "if (transaction.state === 'READY') {",
    to: 'if (false) {',
  },
  {
    name: 'no-answer-is-aborted',
    without: 'A reading that fails settles nothing.',
    file: 'src/core/term/recovery/lost.ts',
    from: "} else if (judgement?.decision === 'abort' && transaction.requestId === null) {",
    to: "} else if (judgement?.decision !== 'undecided' && transaction.requestId === null) {",
    faults: 'etcd-cut=1,etcd-down=1,etcd-answer-lost=0.5',
  },
  {
    name: 'gives-up-on-a-lost-answer',
    without: 'A write whose answer was lost is sent again until etcd says what became of it.',
    file: 'src/decision-log/etcd/leadership.ts',
    from: '    return this.#batches.add(prepareDecision(this.#keys, write, this.#finishedTick()));',
    to: "    const over = new Promise<DecideResult>((resolve) => this.#options.store.clock.setTimer(300, () => resolve({ type: 'aborted' })));\n    return Promise.race([over, this.#batches.add(prepareDecision(this.#keys, write, this.#finishedTick()))]);",
  },
  {
    name: 'floor-too-far',
    without: 'I9: the floor stays below every undecided transaction.',
    file: 'src/decision-log/collectable.ts',
    from: 'if (position > floor) floor = position;',
    to: 'if (position > floor) floor = options.below;',
    faults: 'slow-prepare=1',
  },
  {
    name: 'collects-too-early',
    without: 'I8, I9: a record and its request key are kept for the request window.',
    file: 'src/decision-log/collectable.ts',
    from: 'if (age < retention || position >= options.below) break;',
    to: 'if (position >= options.below) break;',
  },
  {
    name: 'request-ids-of-everybody',
    without: 'I8: a request id belongs to the name of its client.',
    file: 'src/node/dispatch.ts',
    from: 'message.requestId === undefined ? undefined : scoped(client, message.requestId);',
    to: "message.requestId === undefined ? undefined : scoped('', message.requestId);",
  },
  {
    name: 'request-id-lost-on-takeover',
    without: 'I8: the decision compares that the request has no commit yet.',
    file: 'src/decision-log/etcd/decide.ts',
    from: '    compare.push(absent(request));\n',
    to: '',
  },
  {
    name: 'aborted-without-reading-requests',
    without: 'I8: before "aborted" is said, the log is asked about the request id.',
    file: 'src/core/term/requests/outcome.ts',
    from: '  if (requestId === null) {\n    answerWaiters(state, transaction);\n    return;\n  }\n  state.readRequest',
    to: "  if (requestId !== '') {\n    endRequest(state, transaction);\n    answerWaiters(state, transaction);\n    return;\n  }\n  state.readRequest",
  },
  {
    name: 'stale-attempt-runs',
    without: 'I8: an attempt not above one that was answered "aborted" gets that answer again.',
    file: 'src/core/term/intake/attempts.ts',
    from: 'if (refused !== null && attempt <= refused.attempt) {',
    to: 'if (refused !== null && attempt < 0) {',
  },
  {
    name: 'accepts-old-epoch',
    without: 'I7: a prepare of an older epoch is refused.',
    file: 'src/journal/journal-rules.ts',
    from: "if (entry.epoch < known) return { kind: 'stale-epoch', known };",
    to: '',
  },
  {
    name: 'presumes-abort-of-its-own-epoch',
    without: 'I5: absence means abort only where no commit can be written any more.',
    file: 'src/core/judge.ts',
    from: 'if (reading.leader === null || epoch < reading.leader.epoch) {',
    to: 'if (reading.leader === null || epoch <= reading.leader.epoch) {',
  },
  {
    name: 'finishes-on-all-but-one',
    without: 'I9: every branch acknowledged before the record moves.',
    file: 'src/core/term/phase-two/phase-two.ts',
    from: "if (transaction.acksOwed > 0) return;\n  uphold(\n    [...transaction.branches.values()].every(\n      (branch) => branch.state !== 'committing' && branch.state !== 'rolling-back',\n    ),",
    to: 'if (transaction.acksOwed > 1) return;\n  uphold(\n    true,',
  },
  {
    name: 'forgets-before-finish',
    without: 'Participants forget only once the record has moved.',
    file: 'src/core/term/phase-two/phase-two.ts',
    from: '  if (transaction.inDecisions) {\n',
    to: '  if (transaction.inDecisions) {\n    forget(state, [transaction]);\n',
  },
  {
    name: 'decision-over-a-forced-abort',
    without: 'I2: the decision is put only where there is none.',
    file: 'src/decision-log/etcd/decide.ts',
    from: '    absent(decision),\n',
    to: '',
  },
  {
    name: 'no-recovery',
    without: 'I10: a new leader finishes every recorded decision.',
    file: 'src/coordinator/shard-driver.ts',
    from: '        const records: readonly DecisionRecord[] = await next;',
    to: '        const records: readonly DecisionRecord[] = (await next).slice(0, 0);',
  },
  {
    name: 'abort-presumed-before-all-is-read',
    without: 'I5: absence means abort only in the log, not in what a new leader has read so far.',
    file: 'src/core/term/recovery/waiting.ts',
    from: '  if (!waits) {\n',
    to: "  if (waits && doubt.type === 'in-doubt') {\n    for (const txid of txids) state.send(from.connection, { type: 'decision', txid, decision: 'abort', source: 'presumed' });\n    return;\n  }\n  if (!waits) {\n",
  },
  {
    name: 'recovery-forgets-locks',
    without: 'I12: a new leader holds the locks of every commit that is not done.',
    file: 'src/core/term/recovery/recovery.ts',
    from: '    holdAgain(state, transaction, locks);\n',
    to: '',
  },
  {
    name: 'locks-let-go-with-the-decision',
    without: 'I12: a commit holds its locks until every branch has acknowledged.',
    file: 'src/core/term/phase-one/decide.ts',
    from: '  endRequest(state, transaction);\n  for (const branch',
    to: '  endRequest(state, transaction);\n  releaseLocks(state, transaction);\n  for (const branch',
  },
  {
    name: 'no-patience',
    without: 'I11: a participant in doubt asks for its outcome.',
    file: 'src/core/branch/voted.ts',
    from: "'patience-over': (branch) => ({ branch, effects: [{ type: 'query', witness: branch.witness }] }),",
    to: "'patience-over': (branch) => ({ branch, effects: [] }),",
  },
  {
    name: 'lost-reply-is-a-refusal',
    without: 'What is met by a second attempt may be the first one.',
    file: 'src/decision-log/etcd/decide.ts',
    from: "if (outcome === 'commit') return { type: 'written' };",
    to: "if (outcome === 'commit') return { type: 'aborted' };",
  },
  {
    name: 'request-window-ignored',
    without: 'I8: what is older than the request window never runs.',
    file: 'src/core/term/intake/transact.ts',
    from: 'ageMs: message.requestAgeMs ?? 0,',
    to: 'ageMs: 0,',
  },
  {
    name: 'branch-added-after-the-freeze',
    without: 'I3: the branch set is frozen before the first prepare.',
    file: 'src/core/term/intake/pending.ts',
    from: "  if (\n    transaction?.state !== 'PENDING' ||\n    transaction.requestId !== null ||\n    transaction.freezeWhenLocked\n  ) {",
    to: '  if (transaction === undefined) {',
  },
  {
    name: 'rolls-back-what-is-being-decided',
    without: 'From READY on only the log can abort, no client.',
    file: 'src/core/term/intake/end.ts',
    from: "  if (transaction.state === 'READY') return;\n",
    to: "  if (transaction.state === 'READY') transaction.state = 'PREPARING';\n",
  },
  {
    name: 'age-stops-with-the-machine',
    without: 'I8: the age of a request counts what the machine of its client has slept.',
    file: 'src/system/age.ts',
    from: `  return Math.max(
    now.monotonicMs - since.monotonicMs,
    now.wallMs - since.wallMs,
    (now.bootMs ?? 0) - (since.bootMs ?? now.bootMs ?? 0),
  );`,
    to: '  return now.monotonicMs - since.monotonicMs;',
    faults: 'suspend=1',
  },
  {
    name: 'rolls-back-what-a-sibling-voted-for',
    without:
      'I4: what another instance prepared in a shared store is asked about, not rolled back.',
    file: 'src/core/branch/unprepared.ts',
    from: '    if (!mine && context.siblings) return votedElsewhere(branch);\n',
    to: '',
    faults: 'siblings=1,journal-lost=1',
  },
  {
    name: 'rolls-back-what-its-store-keeps',
    without:
      'I4: what the store holds prepared without a vote in the journal is asked about, where the journal may have lost the vote (8.11).',
    file: 'src/core/branch/unprepared.ts',
    from: '    if (context.keepsVotes) return',
    to: '    if (false) return',
    faults: 'store-keeps=1',
  },
  {
    name: 'keeps-votes-past-a-newer-epoch',
    without:
      'I7: no vote counts ahead of the journal while a newer epoch of its shard is known there, or on its way (8.11).',
    file: 'src/journal/local-journal.ts',
    from: '    if ((this.#adopting.get(shard) ?? epoch) > epoch) return null;\n',
    to: '',
    faults: 'store-keeps=1,slow-prepare=1,node-crash=1,node-pause=1',
  },
  {
    name: 'outcome-does-not-wait-for-a-vote-being-written',
    without:
      'Section 8.11: vote and outcome reach the disk together, or the outcome is flushed before it is acknowledged.',
    file: 'src/journal/kept-votes.ts',
    from: 'kept === undefined || kept.taken || ',
    to: 'kept === undefined || ',
    faults: 'store-keeps=1,slow-disk=1,message-delay=1,node-crash=0.5,application-fails=0.7',
  },
  {
    name: 'remembers-a-journal-that-others-write',
    without:
      'Section 8.7: what is in a journal that several processes share is read there, each time.',
    file: 'src/journal/local-journal.ts',
    from: 'this.#memory = options.shared\n',
    to: 'this.#memory = false\n',
    faults: 'shared-journal=1',
  },
  {
    name: 'tombstone-over-what-another-prepares',
    without:
      'Section 8.7: what another process of a shared journal began is rolled back again until no prepare of it can run.',
    file: 'src/core/branch/rolling-back.ts',
    from: '    branch.begunElsewhere\n',
    to: '    false\n',
    faults: 'slow-prepare=0.9,shared-journal=1',
  },
  {
    name: 'ticks-of-one-length',
    without: 'Section 4: age is in time, whatever `tickMs` a leader has.',
    file: 'src/coordinator/collector.ts',
    from: 'await leadership.tick(options.tickMs);',
    to: 'await leadership.tick(10_000);',
  },
  {
    name: 'retiring-is-not-heard-of',
    without: 'I10: every node hears of what was retired, not only at its start.',
    file: 'src/node/node.ts',
    from: '    this.#unwatch = [log.watchRetired((retired) => this.#hear(retired))];\n',
    to: '    this.#unwatch = [];\n',
    faults: 'retire=1',
  },
  {
    name: 'retiring-one-gives-up-what-siblings-can-finish',
    without: 'Section 8.7: what is on a shared resource stays owed until the resource is retired.',
    file: 'src/core/retired.ts',
    from: '      sharedResource === null ? { participant, instance } : { participant, sharedResource },\n',
    to: '      { participant, instance },\n',
    faults: 'retire-shared=1',
  },
  {
    name: 'retired-store-is-owed-for-ever',
    without: 'Section 8.7: with the resource is retired whoever shares it.',
    file: 'src/core/retired.ts',
    from: '    return this.has(\n      sharedResource',
    to: '    return sharedResource === null && this.has(\n      sharedResource',
    faults: 'retire-shared=1',
  },
];
