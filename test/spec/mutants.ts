/**
 * The specification with one rule taken away, as a change of its text. Each must be caught: an
 * invariant that nothing can break shows nothing. A change that no longer applies is a failure, not
 * a mutant that was not caught.
 */
import {
  bindings,
  byHand,
  clusters,
  copies,
  type Model,
  orphans,
  parts,
  protocol,
} from './models.ts';
import type { Edit } from './quint.ts';

export interface Mutant {
  readonly model: Model;
  readonly name: string;
  /** What was taken away, and the interleaving that it lets in. */
  readonly why: string;
  readonly changes: readonly Change[];
  /** The invariant that must break; where several may, the one that is checked. */
  readonly invariant: string;
  /** The scenario: an action of verdict.qnt. The protocol itself must hold under it, too. */
  readonly step: string;
  /** Traces within which it must be caught, under this seed. */
  readonly budget: number;
  readonly seed: bigint;
}

interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const mutants: readonly Mutant[] = [
  {
    model: protocol,
    name: 'no fence',
    why: 'A deposed leader writes its commit after the abort was presumed.',
    changes: [
      {
        file: 'log.qnt',
        from: `    l.leader.nonce != 0,
    l.leader.revision == key.revision,
    l.leader.nonce == key.nonce,`,
        to: '    true,',
      },
    ],
    invariant: 'harmless',
    step: 'failoverStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'no nonce',
    why: 'After a restore a leader from before it and one from after it have the same mod revision.',
    changes: [{ file: 'log.qnt', from: '    l.leader.nonce == key.nonce,\n', to: '' }],
    invariant: 'harmless',
    step: 'restoreStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'no unanimity',
    why: 'The first commit vote decides.',
    changes: [{ file: 'rules.qnt', from: 'if (votes == participants)', to: 'if (true)' }],
    invariant: 'I3_unanimity',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'no put-if-absent',
    why: 'A commit overwrites the abort that someone forced.',
    changes: [
      { file: 'log.qnt', from: 'else if (recorded == "commit")', to: 'else if (false)' },
      {
        file: 'log.qnt',
        from: 'else if (t.attempt > 0 and l.request != 0)',
        to: 'else if (false)',
      },
      { file: 'log.qnt', from: 'else if (recorded == "abort")', to: 'else if (false)' },
      {
        file: 'log.qnt',
        from: 'else if (t.position <= l.floor) { log: l, answer: "aborted" }',
        to: 'else if (false) { log: l, answer: "aborted" }',
      },
    ],
    invariant: 'invariants',
    step: 'resolveStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'inner compare on decisions/ alone, early sweep',
    why: 'A forced abort is swept to finished/ while the commit is under way, which then finds nothing in its place.',
    changes: [
      {
        file: 'log.qnt',
        from: 'val recorded = recordOf(l, w.txid)\n    if (not(held(l, w.key))) { log: l, answer: "deposed" }\n    else if (recorded == "commit")',
        to: 'val recorded = if (l.decisions.keys().contains(w.txid)) l.decisions.get(w.txid) else "none"\n    if (not(held(l, w.key))) { log: l, answer: "deposed" }\n    else if (recorded == "commit")',
      },
      { file: 'rules.qnt', from: 'else if (state == "READY") s\n', to: '' },
    ],
    invariant: 'invariants',
    step: 'resolveStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'commits forgotten by epoch',
    why: 'A participant lets go of a kept commit when it hears of a newer epoch, and the new leader sends the commit again.',
    changes: [
      {
        file: 'rules.qnt',
        from: '      isTombstone(branches.get(x).state),\n',
        to: '      branches.get(x).state.in(Set("gone", "forgotten", "committed")),\n',
      },
    ],
    invariant: 'I4_no_forgetting',
    step: 'failoverStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'a lost reply taken for an abort',
    why: 'A leader that gives up says "aborted" of a decision whose write had landed.',
    changes: [
      {
        file: 'rules.qnt',
        from: 'filter(x => t.held.get(x).state == "READY")',
        to: 'filter(x => false)',
      },
    ],
    invariant: 'invariants',
    step: 'failoverStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: '"aborted" said without reading requests/',
    why: 'The second attempt ends in an abort and is called that, though the first had committed.',
    changes: [
      {
        file: 'rules.qnt',
        from: 'rolledBack.setHeld(n, x, { ...h, reading: -1 })',
        to: 'rolledBack.setHeld(n, x, h).sayAborted(n, x)',
      },
    ],
    invariant: 'I8_requests',
    step: 'lostReplyStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'finished on one acknowledgement',
    why: 'The record goes while a participant is in doubt, who is then told "abort" below the floor.',
    changes: [{ file: 'rules.qnt', from: 'if (owing == Set())\n', to: 'if (true)\n' }],
    invariant: 'invariants',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'no look at requests/R in the decision',
    why: 'The second attempt commits beside the first, whose answer was lost.',
    changes: [
      {
        file: 'log.qnt',
        from: 'else if (t.attempt > 0 and l.request != 0)',
        to: 'else if (false)',
      },
    ],
    invariant: 'I8_requests',
    step: 'lostReplyStep',
    budget: 600,
    seed: 2n ** 50n + 1n,
  },
  {
    model: protocol,
    name: 'no witness',
    why: 'After the log was set back a participant in doubt of a commit that it lost is told "abort".',
    changes: [
      {
        file: 'rules.qnt',
        from: '    if (witness > positionOfLog(s.log)) s\n    else if (isRetired',
        to: '    if (isRetired',
      },
    ],
    invariant: 'invariants',
    step: 'setBackStep',
    budget: 600,
    seed: 1_000_003n,
  },
  {
    model: protocol,
    name: 'no epoch check at participants',
    why: 'A zombie still gets votes after the participant durably knows its successor.',
    changes: [
      {
        file: 'rules.qnt',
        from: 'if (epoch < s.journals.get(m.p).known) s.reply(m, "vote abort")',
        to: 'if (false) s',
      },
      { file: 'rules.qnt', from: 'val stale = b.epoch < j.known', to: 'val stale = false' },
    ],
    invariant: 'I7_epochs',
    step: 'failoverStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'a force that does not look for a record',
    why: 'The abort overwrites a commit that was written between the reading and the force.',
    changes: [{ file: 'log.qnt', from: ' and recordOf(l, w.txid) == "none"', to: '' }],
    invariant: 'invariants',
    step: 'resolveStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'abort presumed in the epoch that leads',
    why: 'A follower takes the absence of a record for an abort while the leader may still commit.',
    changes: [
      {
        file: 'log.qnt',
        from: 't.epoch < epochOf(l.leader)) "abort"',
        to: 't.epoch <= epochOf(l.leader)) "abort"',
      },
    ],
    invariant: 'invariants',
    step: 'failoverStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: "held by another's vote is rolled back alone",
    why: 'A second process over one database takes what its own journal does not know for never voted.',
    changes: [
      {
        file: 'steps.qnt',
        from: "s' = s.answerDoubt(n, sibling, x, 0)",
        to: `s' = s.endHeld("p1", x, "abort")`,
      },
    ],
    invariant: 'I1_atomicity',
    step: 'siblingStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'what the store keeps without a vote is rolled back alone',
    why: 'The vote was sent, the process died ahead of its journal, and the next one takes the branch for never voted.',
    changes: [
      {
        file: 'rules.qnt',
        from: '    s.setBranch(p, x, { ...s.branchAt(p, x), state: "kept", witness: 0 })\n\n  // What was not',
        to: '    s.carryOut(p, x, "abort")\n\n  // What was not',
      },
    ],
    invariant: 'I1_atomicity',
    step: 'keptStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'a prepare that does not meet the row of a lost outcome',
    why: 'Commit and acknowledgement went out, the process died ahead of its journal, and a late prepare runs again: its doubt is told "abort".',
    changes: [
      {
        file: 'rules.qnt',
        from: '    if (b.state == "row") s.reply(m, "vote abort")\n    else if (b.state == "unknown")',
        to: '    if (b.state == "unknown" or b.state == "row")',
      },
      {
        file: 'rules.qnt',
        from: 'else if (outcome == "abort" and s.hasRow(m.p, m.txid)) s.setBranch(m.p, m.txid, { ...b, state: "committed" })\n',
        to: '',
      },
    ],
    invariant: 'I1_atomicity',
    step: 'keptLateStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: "a sibling's commit is not looked for",
    why: 'A sibling commits and acknowledges, the record is collected, and the instance that voted is told "abort" on its return.',
    changes: [
      {
        file: 'rules.qnt',
        from: 'else if (outcome == "abort" and s.hasRow(m.p, m.txid)) s.setBranch(m.p, m.txid, { ...b, state: "committed" })\n',
        to: '',
      },
    ],
    invariant: 'I1_atomicity',
    step: 'siblingLateStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'a sibling acknowledges ahead of the database',
    why: 'The record is collected, and the instance that voted is told "abort" of a commit that no row proves.',
    changes: [
      {
        file: 'rules.qnt',
        from: 's.endHeld(m.p, m.txid, "commit").reply(m, "ack commit")',
        to: 's.reply(m, "ack commit")',
      },
    ],
    invariant: 'I5_below_the_floor',
    step: 'siblingLateStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'a sibling that learns of a commit acknowledges ahead of the database',
    why: 'The record is collected, and the instance that voted is told "abort" of a commit that no row proves.',
    changes: [
      {
        file: 'rules.qnt',
        from: 's.endHeld("p1", x, "commit").send(s.acksOfSibling(x))',
        to: 's.send(s.acksOfSibling(x))',
      },
    ],
    invariant: 'I5_below_the_floor',
    step: 'siblingLearnsStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'a reading that does not show who was retired',
    why: 'What the retired one owed counts as acknowledged, the record is collected, and a node tells it "abort" of it.',
    changes: [
      {
        file: 'rules.qnt',
        from: `    else if (isRetired(s.log.retired, p)) s
    else if (judgement`,
        to: '    else if (judgement',
      },
    ],
    invariant: 'I1_atomicity',
    step: 'retireStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'retiring an instance frees what its siblings may finish',
    why: 'The record is collected, and a sibling that was away is told "abort" of what the database still holds.',
    changes: [
      {
        file: 'state.qnt',
        from: 'them.contains(if (p == "p1") "p1 store" else p)',
        to: 'them.contains(p) or (p == "p1" and them.contains("p1 store"))',
      },
    ],
    invariant: 'I1_atomicity',
    step: 'retireStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'a leadership that does not read what was retired before it',
    why: 'It takes a vote of one that the operator was told is out forever.',
    changes: [
      {
        file: 'steps.qnt',
        from: 'seen: epochOf(t.key), heard: s.log.retired }',
        to: 'seen: epochOf(t.key) }',
      },
    ],
    invariant: 'retired_for_ever',
    step: 'retireStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'the operator is answered before all nodes have heard',
    why: 'A leader that has not heard goes on with the one that was retired.',
    changes: [
      {
        file: 'steps.qnt',
        from: `      leading.forall(n => held(s.log, s.terms.get(n).key) implies s.terms.get(n).heard.contains(one)),
`,
        to: '',
      },
    ],
    invariant: 'retired_for_ever',
    step: 'retireStep',
    budget: 600,
    seed: 1n,
  },
  {
    model: protocol,
    name: 'a prepare that meets a rollback under way',
    why: 'It runs anew and votes to commit, and the rollback of the first try undoes what is committed.',
    changes: [
      {
        file: 'rules.qnt',
        from: `    else if (b.state == "refused") s.reply(m, "vote abort")
`,
        to: `    else if (b.state == "refused") s.setBranch(m.p, m.txid, { ...b, state: "preparing" })
`,
      },
    ],
    invariant: 'invariants',
    step: 'refusalStep',
    budget: 600,
    seed: 5n,
  },
  {
    model: clusters,
    name: 'a vote that binds the journal to no cluster',
    why: 'The log is deleted, and the new one of another cluster presumes the abort of what the old one had committed.',
    changes: [{ file: 'clusters.qnt', from: 'voted: true, branches', to: 'branches' }],
    invariant: 'I1_atomicity',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: clusters,
    name: 'epochs of a cluster that was never voted for stay',
    why: 'A stranger names a far epoch, and the own leader is refused ever after.',
    changes: [{ file: 'clusters.qnt', from: 'cluster: c, known: 0 }', to: 'cluster: c }' }],
    invariant: 'I7_epochs',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: orphans,
    name: 'a tombstone over what another process prepares',
    why: 'The prepare takes effect behind the rollback, and its process dies ahead of its vote: whoever starts finds a tombstone.',
    changes: [
      {
        file: 'orphans.qnt',
        from: 'entry\' = entry,\n      held\' = false, done\' = done.union(Set("abort")), ps\' = becomes(p, "rolled-back")',
        to: 'entry\' = "tombstone",\n      held\' = false, done\' = done.union(Set("abort")), ps\' = becomes(p, "tombstone")',
      },
    ],
    invariant: 'I10_nothing_left',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: orphans,
    name: 'what another process began is rolled back without a decision',
    why: 'That process votes, and its vote counts.',
    changes: [
      {
        file: 'orphans.qnt',
        from: 'entry == "started",\n      outcome == "abort",',
        to: 'entry == "started",',
      },
    ],
    invariant: 'I1_atomicity',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: copies,
    name: 'a copy that is served while the original is away',
    why: 'It acknowledges in the name of the instance what both hold in doubt, or is told "abort" of what the original has acknowledged.',
    changes: [
      {
        file: 'copies.qnt',
        from: 'node.copies.contains(ps.get(p).birth)\n\n',
        to: 'node.copies.contains(ps.get(p).birth) and node.connected != ""\n\n',
      },
    ],
    invariant: 'invariants',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: copies,
    name: 'who started first, by the clocks',
    why: 'The clock of the original\'s machine is ahead: it is refused, the copy acknowledges, and the original is told "abort" when it is back.',
    changes: [
      {
        file: 'copies.qnt',
        from: `    if (b.earlier.contains(a.birth)) true
    else if (a.earlier.contains(b.birth)) false
    else a.clock < b.clock`,
        to: '    a.clock < b.clock',
      },
    ],
    invariant: 'I1_atomicity',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: parts,
    name: 'a mark that does not say which shards',
    why: 'A node with another map leads the shard in the etcd of others, and decides there what was decided in its own.',
    changes: [
      {
        file: 'parts.qnt',
        from: 'def isPartOf(e: Etcd, part: int): bool = e.index == part',
        to: 'def isPartOf(e: Etcd, part: int): bool = true',
      },
    ],
    invariant: 'invariants',
    step: 'step',
    budget: 2_000,
    seed: 1n,
  },
  {
    model: parts,
    name: 'absence believed without a mark',
    why: 'An etcd was emptied, and a reader takes it for one that has no record.',
    changes: [
      {
        file: 'parts.qnt',
        from: '= e.id != 0 and e.sealed and isPartOf(e, part)',
        to: '= e.id == 0 or isPartOf(e, part)',
      },
    ],
    invariant: 'invariants',
    step: 'step',
    budget: 2_000,
    seed: 1n,
  },
  {
    model: parts,
    name: 'sealed without a look at the list',
    why: 'A mark of the first start lands in an etcd that was emptied since, and is sealed there.',
    changes: [{ file: 'parts.qnt', from: '      f.ids.contains(es.get(o).id),\n', to: '' }],
    invariant: 'invariants',
    step: 'step',
    budget: 4_000,
    seed: 1n,
  },
  {
    model: parts,
    name: 'a mark that is not sealed is believed',
    why: 'The same mark in the emptied etcd, and who reads takes it for that of the shard.',
    changes: [{ file: 'parts.qnt', from: 'e.id != 0 and e.sealed and', to: 'e.id != 0 and' }],
    invariant: 'invariants',
    step: 'step',
    budget: 4_000,
    seed: 1n,
  },
  {
    model: bindings,
    name: 'a put that looks for the binding alone',
    why: 'It was read before the instance was bound; meanwhile it was bound, retired and freed. The impostor has the name, and a node that has not heard counts what it acknowledges.',
    changes: [
      {
        file: 'bindings.qnt',
        from: 'bound.get(part) == "" and not(retired.contains(part))',
        to: 'bound.get(part) == ""',
      },
    ],
    invariant: 'bound_acknowledges',
    step: 'retirement',
    budget: 2_000,
    seed: 1n,
  },
  {
    model: bindings,
    name: 'let in before its put is known',
    why: 'Two identities say hello as one instance at two nodes, neither finds a holder, and both acknowledge.',
    changes: [
      {
        file: 'bindings.qnt',
        from: 'pure val known = Set("landed")',
        to: 'pure val known = Set("looked", "landed")',
      },
    ],
    invariant: 'bound_acknowledges',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: bindings,
    name: 'an operator who is answered before all nodes have heard of a rebind',
    why: 'The former holder is still connected to a leader, and acknowledges.',
    changes: [{ file: 'bindings.qnt', from: '    haveHeard,\n', to: '' }],
    invariant: 'bound_acknowledges',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: bindings,
    name: 'a hello that was read before a rebind was heard of',
    why: 'The former holder is let in after its connections were ended.',
    changes: [
      {
        file: 'bindings.qnt',
        from: 'val again = hello.heard != node.heard',
        to: 'val again = false',
      },
    ],
    invariant: 'bound_acknowledges',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: bindings,
    name: 'what is remembered outlives a rebind',
    why: 'The log cannot be read, and the former holder comes in by what the node remembers.',
    changes: [
      {
        file: 'bindings.qnt',
        from: 'if (node.known == "") "" else bound.get(1),',
        to: 'node.known,',
      },
    ],
    invariant: 'bound_acknowledges',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: bindings,
    name: 'put into the first etcd before all have been read',
    why: 'It was set back: another identity gets it there, and neither can come in.',
    changes: [
      {
        file: 'bindings.qnt',
        from: 'if (other(holders.get(1), p)) holders.get(1) else if (other(holders.get(2), p)) holders.get(2) else p',
        to: 'p',
      },
    ],
    invariant: 'one_holder',
    step: 'step',
    budget: 600,
    seed: 1n,
  },
  {
    model: byHand,
    name: 'settled by hand counts as acknowledged',
    why: 'The record is collected, and who comes back in doubt is told "abort" of what has committed.',
    changes: [
      {
        file: 'byhand.qnt',
        from: 't.byHand.exclude(t.acked)',
        to: 't.byHand.exclude(participants)',
      },
    ],
    invariant: 'I1_atomicity',
    step: 'step',
    budget: 4_000,
    seed: 1n,
  },
  {
    model: byHand,
    name: 'what is not decided is settled by hand',
    why: 'A record is made of a transaction whose abort was presumed, and told.',
    changes: [
      {
        file: 'byhand.qnt',
        from: `    nondet p = oneOf(ts.get(n).owing)
    all {
      writes'`,
        to: `    nondet p = oneOf(participants)
    all {
      writes'`,
      },
      {
        file: 'byhand.qnt',
        from: '    else if (r.place != "decisions") r\n    else if (w.kind == "settle") { ...r,',
        to: '    else if (w.kind == "settle") { ...r, place: "decisions",',
      },
    ],
    invariant: 'I2_one_decision',
    step: 'step',
    budget: 4_000,
    seed: 1n,
  },
  {
    model: byHand,
    name: 'the operator is answered by memory alone',
    why: 'The operator was answered, and the next leader does not know of it.',
    changes: [
      {
        file: 'byhand.qnt',
        from: '{ ...r, byHand: r.byHand.union(Set(w.p)) }',
        to: 'r',
      },
    ],
    invariant: 'settled_for_good',
    step: 'step',
    budget: 4_000,
    seed: 1n,
  },
  {
    model: byHand,
    name: 'all are told to forget',
    why: 'Who was settled by hand is in doubt still, and is told to forget it.',
    changes: [
      {
        file: 'byhand.qnt',
        from: 'participants.exclude(unsettled(t)).map(p => { kind: "forget"',
        to: 'participants.map(p => { kind: "forget"',
      },
    ],
    invariant: 'I4_no_forgetting',
    step: 'step',
    budget: 4_000,
    seed: 1n,
  },
];

/** Throws where a change does not fit exactly once. */
export function editOf(mutant: Mutant): Edit {
  return (file, text) => {
    let changed = text;
    for (const { from, to } of mutant.changes.filter((change) => change.file === file)) {
      const parts = changed.split(from);
      if (parts.length !== 2) {
        throw new Error(
          `The mutant "${mutant.name}" fits ${parts.length - 1} times into ${file}, not once. Mend its \`from\`.`,
        );
      }
      changed = parts.join(to);
    }
    return changed;
  };
}
