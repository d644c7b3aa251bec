/**
 * Runs that once failed, each with the reason: what was wrong is mended, and stays so. A seed draws
 * another run when what is drawn, or the product, changes. So each names the fault as well, and
 * `npm run mutants -- --regressions` plants it again: a seed that does not show it any more is
 * looked for anew, among the same faults. What broke has a test of its own besides, where that is
 * possible.
 */
import { parseFaults } from './faults.ts';
import type { PlanLimits } from './plan.ts';

/** A change of the sources. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Regression {
  readonly seed: number;
  readonly limits: PlanLimits;
  /** Brings the fault back. */
  readonly planted: readonly Edit[];
  readonly why: string;
}

export const regressions: readonly Regression[] = [
  {
    seed: 103_810,
    limits: {
      faults: parseFaults(
        'partition=0.051,message-duplicate=0.162,etcd-slow=0.248,etcd-set-back=0.136',
      ),
      jobs: 7,
    },
    planted: [
      {
        file: 'src/core/term/phase-two/phase-two.ts',
        from: '  // Its place is free until it is sent again.\n  commandWindows(state).leave(branch);\n',
        to: '',
      },
    ],
    why: 'A window of commands full of commits that are refused forever kept back those that could be carried out.',
  },
  {
    seed: 129_623,
    limits: {
      faults: parseFaults(
        'node-pause=0.264,connection-reset=0.0635,message-duplicate=0.142,etcd-lost=0.108,etcd-answer-lost=0.0903,etcd-refused=0.251,etcd-late=0.187,etcd-slow=0.181,etcd-set-back=0.214,wall-jump=0.126,slow-prepare=0.269',
      ),
      jobs: 6,
    },
    planted: [
      {
        file: 'src/participant/housekeeping.ts',
        from: '    const beforeMs = ranLong ? this.#wallMs() - tombstoneMs : 0;',
        to: '    const beforeMs = (ranLong ? clock.wallMs() : clock.wallMs()) - tombstoneMs;',
      },
    ],
    why: 'A wall clock that was set forward made a tombstone old, and a late copy of a prepare found none.',
  },
  {
    seed: 126_995,
    limits: { faults: parseFaults('participant-point-crash=0.929'), jobs: 15 },
    planted: [
      {
        file: 'test/simulation/check/message-check.ts',
        from: '          facts.at(message.txid).saidExpired = true;',
        to: '          facts.at(message.txid).saidExpired = false;',
      },
    ],
    why: 'The check took a transaction whose client had been told EXPIRED for undecided when the floor passed it.',
  },
  {
    seed: 179_257,
    limits: {
      faults: parseFaults('node-point-crash=0.992,message-duplicate=0.1,etcd-slow=0.497'),
      jobs: 7,
    },
    planted: [
      {
        file: 'test/simulation/check/end-check.ts',
        from: "run.duplicates ? ['fail'] : ['fail', 'refused']",
        to: "['fail', 'refused']",
      },
    ],
    why: 'The check held a copy of a request, which a WebSocket does not make, against the call that had been refused.',
  },
  {
    seed: 327,
    limits: {
      faults: parseFaults(
        'node-point-crash=0.67,one-way=0.44,etcd-cut=0.218,etcd-answer-lost=0.622,etcd-full=0.414,etcd-set-back=0.839,slow-prepare=0.68',
      ),
      jobs: 10,
    },
    planted: [
      {
        file: 'src/participant/direct-log.ts',
        from: 'if (isSetBack(error) && this.#reader === opened) this.#openAnew();',
        to: 'if (isSetBack(error) && this.#closed) this.#openAnew();',
      },
    ],
    why: 'A participant that had seen etcd set back read it no more, though the generation was raised.',
  },
  {
    seed: 400_256,
    limits: {
      faults: parseFaults(
        'node-crash=0.146,participant-crash=0.778,participant-point-crash=0.401,participant-pause=0.894,connection-reset=0.459,message-delay=0.81,etcd-late=0.146,etcd-slow=0.477,etcd-leader-change=0.343,refuses=0.546,slow-prepare=0.117',
      ),
      jobs: 9,
    },
    planted: [
      {
        file: 'src/decision-log/etcd/enrollment.ts',
        from: 'entry.lease === id && entry.key.equals(key)',
        to: 'entry.key.equals(key)',
      },
    ],
    why: "A late request of the process before put a leader's entry among the nodes under its lease, and took it along; participants did not find that leader.",
  },
  {
    seed: 414_981,
    limits: {
      faults: parseFaults(
        'node-effect-crash=0.61,partition=0.719,etcd-lost=0.179,etcd-down=0.0755,etcd-set-back=0.366,clock-drift=0.178',
      ),
      jobs: 7,
    },
    planted: [
      {
        file: 'src/decision-log/etcd/witness.ts',
        from: '      if (BigInt(revision) < this.#generationRevision) return;\n',
        to: '',
      },
    ],
    why: 'An answer from before the generation was raised, which another had overtaken, was taken for an etcd that was set back.',
  },
  {
    seed: 479_784,
    limits: {
      faults: parseFaults(
        'one-way=0.139,message-delay=0.118,etcd-slow=0.0922,clock-drift=0.151,slow-prepare=0.236',
      ),
      jobs: 13,
    },
    planted: [
      {
        file: 'test/simulation/check/log-check.ts',
        from: '      if (facts.nowMs - firstAskedMs > this.#maxUndecidedMs) continue;\n',
        to: '',
      },
    ],
    why: 'The check took a transaction that was aborted with no one there to be told for undecided when the floor passed it.',
  },
  {
    seed: 734_133,
    limits: {
      faults: parseFaults(
        'node-point-crash=0.817,message-delay=0.615,etcd-lost=0.0547,etcd-answer-lost=0.0506,etcd-refused=0.799,etcd-slow=0.103,etcd-set-back=0.171,watch-deaf=0.0656,refuses=0.0954',
      ),
      jobs: 5,
    },
    planted: [
      {
        file: 'test/simulation/etcd/server.ts',
        from: 'if (this.#restores !== restores) return answer',
        to: 'if (this.#restores < restores) return answer',
      },
    ],
    why: 'The simulated etcd carried out, after it was brought back from a copy, what had been under way to the one before.',
  },
  {
    seed: 813_682,
    limits: {
      faults: parseFaults(
        'node-point-crash=0.279,participant-effect-crash=0.852,etcd-cut=0.606,message-duplicate=0.544,etcd-answer-lost=0.704,etcd-refused=0.12,etcd-late=0.611,application-fails=0.576',
      ),
      jobs: 5,
    },
    planted: [
      {
        file: 'src/decision-log/etcd/campaigns.ts',
        from: "      leadership.end('what the leaderships before have left could not be read');\n",
        to: '',
      },
    ],
    why: 'A leadership whose first reading failed was neither led nor ended: its node took it for its own, and no one led.',
  },
  {
    seed: 1_287_561,
    limits: {
      faults: parseFaults(
        'client-crash=0.0979,message-delay=0.674,message-duplicate=0.215,equivocate=0.595,refuses=0.857,slow-prepare=0.0517',
      ),
      jobs: 16,
    },
    planted: [
      {
        file: 'test/simulation/check/message-check.ts',
        from: 'const readonly = facts.allReadonly(message.txid);',
        to: 'const readonly = false;',
      },
    ],
    why: 'The check asked for a record of a commit that had nothing to commit: all had voted readonly, and one voted again.',
  },
  {
    seed: 6_513_912,
    limits: {
      faults: parseFaults('etcd-late=0.16,etcd-set-back=0.517,suspend=0.683,siblings=0.599'),
      jobs: 5,
    },
    planted: [
      {
        file: 'test/simulation/check/message-check.ts',
        from: 'if (facts.wasLeftToSibling(message.txid, to.name)) return;',
        to: '',
      },
    ],
    why: 'The check held it against a node that one who had slept was told "abort" below the floor, of what its sibling had committed.',
  },
  {
    seed: 7_009_263,
    limits: {
      faults: parseFaults(
        'slow-prepare=0.263,suspend=0.103,options-differ=0.0822,left-to-sibling=0.0511',
      ),
      jobs: 15,
    },
    planted: [
      {
        file: 'test/simulation/check/facts.ts',
        from: 'inDoubt.every(',
        to: '[...branches.values()].filter(({ owner }) => owner === machine).length === inDoubt.length && inDoubt.every(',
      },
    ],
    why: 'The check wanted all branches of one that was told "abort" below the floor to be in doubt: of two it had got the commit of one into its journal.',
  },
  {
    seed: 7_548_163,
    limits: {
      faults: parseFaults(
        'node-vanish=0.977,etcd-refused=0.924,etcd-late=0.278,suspend=0.905,shared-journal=0.0655,left-to-sibling=0.149,etcd-set-back-unattended=0.552,settled-by-hand=0.237',
      ),
      jobs: 2,
    },
    planted: [
      {
        file: 'test/simulation/run.ts',
        from: 'const maxHealedMs = 180_000;',
        to: 'const maxHealedMs = 120_000;',
      },
    ],
    why: 'The check gave all that was healed two minutes: a participant that came back after one of them needed the other for its journal.',
  },
];
