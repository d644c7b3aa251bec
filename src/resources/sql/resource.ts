/** A participant's resource over a database, whichever: a dialect says what differs. */
import { vote } from '../../participant/vote.ts';
import type { BranchCall, BranchRef } from '../../ports/resource.ts';
import type { BranchSession, SessionCall } from './branch-session.ts';
import type { LibraryDatabase } from './guarded-sql.ts';
import { LockWatch, type Waits } from './lock-watch.ts';
import { branchName, type MarkedBranch, markOf } from './names.ts';
import { OutcomeRows, type RowStatements } from './outcome-rows.ts';
import type { Refusals } from './refusal.ts';
import { runBranch } from './run-branch.ts';
import type { End, PrepareSql, SqlResource, SqlSettings } from './sql.ts';

/** `Id`: what the database calls a branch. */
export interface Dialect<Id> {
  readonly database: string;
  readonly identity: string;
  readonly library: LibraryDatabase;
  readonly refusals: Refusals;
  readonly rows: RowStatements;
  /** Null where the names are too long for one. */
  idOf(branch: BranchRef & Pick<BranchCall<unknown>, 'instance'>): Id | null;
  open(id: Id, call: SessionCall): Promise<BranchSession>;
  /** Ends what an earlier process of this instance has under way, and returns when it is gone. */
  endSessions(instance: string | undefined): Promise<void>;
  commit(id: Id, branch: End): Promise<void>;
  rollback(id: Id, branch: End): Promise<void>;
  /** By whichever instance. */
  prepared(): Promise<readonly MarkedBranch[]>;
  waits(): Promise<Waits>;
  close(): Promise<void>;
}

export function sqlResource<Id, Payload, Result>(
  settings: SqlSettings,
  prepare: PrepareSql<Payload, Result>,
  dialect: Dialect<Id>,
): SqlResource<Payload, Result> {
  const { name, shared, clock, logger } = settings;
  const { database, identity, library } = dialect;
  const rows = new OutcomeRows({ clock, ...dialect.rows });
  const watch = new LockWatch({ participant: name, clock, logger, look: () => dialect.waits() });
  return {
    identity,
    keepsVotes: true,
    begin: async ({ instance }) => {
      if (!shared) await dialect.endSessions(instance);
    },
    prepare: async (call) => {
      const id = dialect.idOf(call);
      if (id === null) {
        return vote.abort(
          `The branch's name is too long for ${database} together with the participant's: ${call.branch}`,
        );
      }
      const open = (): Promise<BranchSession> => dialect.open(id, call);
      const result = await runBranch(
        { settings, open, library, ...dialect.refusals },
        prepare,
        call,
      );
      if (result.vote === 'commit') watch.prepared(call);
      return result;
    },
    commit: async (branch) => {
      const id = dialect.idOf(branch);
      if (id === null) throw new Error(`No branch of the name ${branch.branch} was prepared.`);
      await dialect.commit(id, branch);
      // Before it is acknowledged: the instance that voted may return after the coordinator forgot.
      if (branch.takenOver === true)
        await dialect.rows.note(branchName(name, branch), markOf(branch.instance));
      rows.committed();
      watch.ended(branch);
    },
    rollback: async (branch) => {
      const id = dialect.idOf(branch);
      // Never prepared: it had no name to be prepared under.
      if (id !== null) await dialect.rollback(id, branch);
      watch.ended(branch);
    },
    inDoubt: async (call) => {
      const asking = markOf(call?.instance);
      const found = await dialect.prepared();
      for (const { ref } of found) watch.prepared(ref);
      return found.map(({ ref, mark }) => (mark === asking ? ref : { ...ref, mine: false }));
    },
    forgotten: (branch) => rows.forgotten(branchName(name, branch)),
    close: () => {
      watch.close();
      return dialect.close();
    },
  };
}
