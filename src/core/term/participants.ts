/**
 * Participants come and go, and some never come back.
 *
 * - A branch hears only of the connections that it is reached by: another instance of its
 *   participant coming or going is nothing to it, or every restart in a fleet would repeat every
 *   command under way.
 * - A sibling that connects is nothing to what is prepared elsewhere (!: asked for it as well, it
 *   finds that another began it, and votes abort). What was prepared by one that is gone is sent to
 *   a sibling when it is decided.
 * - An instance may connect anew before the node has noticed that its old connection is dead. Its
 *   vote can come only by the new one, and counts only from the connection that carries the latest
 *   prepare (section 7): so the prepare is sent there again, at once.
 */

import type { Owner, Owners } from '../messages.ts';
import type { Retired } from '../retired.ts';
import type { Branch } from './branch.ts';
import type { ConnectedParticipant } from './connected.ts';
import { commandWindows, participantCame, participantWent } from './flow/flow.ts';
import { sendPrepare } from './phase-one/phase-one.ts';
import {
  abandonRollback,
  commandUnasked,
  heldOf,
  isRetired,
  retiredByHand,
  sendCommand,
  settleBranch,
} from './phase-two/phase-two.ts';
import { isScanning } from './recovery/recovery.ts';
import { measure } from './requests/requests.ts';
import type { TermState } from './state.ts';

export function participantConnected(state: TermState, peer: ConnectedParticipant): void {
  state.connected.add(peer);
  participantCame(state, peer.participant);
  const waiting = [...(state.attached.get(peer.participant) ?? [])];
  // All that wait for it before the first is sent: of two branches of one transaction, both may
  // become larger.
  for (const branch of waiting) {
    if (branch.state === 'unreachable') measure(state, branch);
  }
  for (const branch of waiting) {
    if (branch.state === 'unreachable') {
      sendPrepare(state, branch);
    } else if (branch.state === 'preparing') {
      if (state.connected.routePrepare(branch)?.connection === peer.connection)
        sendPrepare(state, branch);
    } else if (branch.state === 'committing') {
      if (state.connected.route(branch)?.connection === peer.connection) sendCommand(state, branch);
    }
  }
  commandUnasked(state, peer);
}

export function participantLost(state: TermState, connection: number): void {
  const peer = state.connected.remove(connection);
  if (peer === null) return;
  participantWent(state, peer.participant);
  for (const branch of [...(state.attached.get(peer.participant) ?? [])]) {
    if (branch.connection !== connection) continue;
    const waited = branch.command === 'waiting';
    commandWindows(state).leave(branch);
    // By another connection of the same instance, which may stand already.
    if (branch.state === 'preparing') sendPrepare(state, branch);
    else if (branch.state === 'rolling-back') abandonRollback(state, branch);
    // By another connection of the instance or resource at once; where there is none, when one
    // comes. One that waited for its turn has no timer yet.
    else if (branch.state === 'committing' && (waited || state.connected.route(branch) !== null)) {
      sendCommand(state, branch);
    }
  }
}

/** While a scan runs it concerns what was scanned before; `command` sees to what comes after. */
export function retire(state: TermState, retired: Retired): void {
  state.retired.add(retired);
  for (const branch of [...(state.attached.get(retired.participant) ?? [])]) {
    if (!isRetired(state, branch)) continue;
    if (branch.state === 'committing' || branch.state === 'rolling-back') {
      settleBranch(state, branch);
    }
  }
  retiredByHand(state, retired.participant);
}

export const maxOwners = 1_000;

/** The instances that branches of this participant belong to, connected now or not. */
export function ownersOf(state: TermState, participant: string): Owners {
  const known = new Map<string, Owner>();
  let complete = !isScanning(state);
  const count = ({ instance, sharedResource }: Branch): void => {
    if (instance === null) return;
    const key = `${instance}\u0000${sharedResource ?? ''}`;
    const branches = (known.get(key)?.branches ?? 0) + 1;
    if (branches > 1 || known.size < maxOwners)
      known.set(key, { instance, ...(sharedResource !== null && { sharedResource }), branches });
    else complete = false;
  };
  for (const branch of state.attached.get(participant) ?? []) count(branch);
  for (const branch of heldOf(state, participant)) count(branch);
  return { known: [...known.values()], complete };
}
