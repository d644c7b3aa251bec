/** Every state's row: what each event does there. */
import * as after from './after-vote.ts';
import type { Row } from './effects.ts';
import type { LocalState } from './types.ts';
import * as before from './unprepared.ts';
import * as voting from './voting.ts';

export const branchTable: { readonly [State in LocalState]: Row<State> } = {
  unknown: before.unknown,
  starting: before.starting,
  working: before.working,
  orphaned: before.orphaned,
  'voted-elsewhere': before.elsewhere,
  preparing: voting.preparing,
  voting: voting.voting,
  prepared: after.prepared,
  readonly: after.readonly,
  committing: after.committing,
  'recording-commit': after.recordingCommit,
  committed: after.committed,
  'rolling-back': after.rollingBack,
  'rolled-back': after.rolledBack,
  'recording-abort': after.recordingAbort,
  gone: after.gone,
  forgotten: after.forgotten,
};
