/** Every state's row: what each event does there. */
import * as commit from './committing.ts';
import * as rollback from './rolling-back.ts';
import type { Row } from './row.ts';
import type { LocalState } from './types.ts';
import * as before from './unprepared.ts';
import * as voted from './voted.ts';
import * as voting from './voting.ts';

export const branchTable: { readonly [State in LocalState]: Row<State> } = {
  unknown: before.unknown,
  starting: before.starting,
  working: before.working,
  orphaned: before.orphaned,
  'voted-elsewhere': before.elsewhere,
  kept: before.kept,
  preparing: voting.preparing,
  voting: voting.voting,
  prepared: voted.prepared,
  readonly: voted.readonly,
  committing: commit.committing,
  'recording-commit': commit.recordingCommit,
  committed: commit.committed,
  'rolling-back': rollback.rollingBack,
  'rolled-back': rollback.rolledBack,
  'recording-abort': rollback.recordingAbort,
  gone: rollback.gone,
  forgotten: commit.forgotten,
};
