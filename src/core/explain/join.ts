/** A leader's explanation, with what the node that was asked read in the log itself. */
import type { Explanation, ExplanationSource } from '../messages.ts';
import { logSource } from './explain.ts';
import type { LogFacts } from './facts.ts';

export function joinReading(given: Explanation, log: LogFacts, node: string): Explanation {
  const {
    type: _type,
    id: _id,
    ...explanation
  } = given as Explanation & {
    readonly type?: string;
    readonly id?: number;
  };
  const own: ExplanationSource = logSource(log, node);
  const { sources, decided, advice } = explanation;
  const isRecorded = log.ok && log.record?.outcome === 'commit';
  // Read after the leader was asked: it may have been decided in between. An abort never is.
  const differs = isRecorded && decided === 'abort' ? [contradiction] : [];
  return { ...explanation, advice: [...differs, ...advice], sources: [...sources, own] };
}

const contradiction =
  'The leader says aborted and the log has a commit: that must not be. Keep the logs of all nodes and report it (docs/OPERATING.md).';
