/**
 * What gRPC says of a failed call, in words for whoever has to do something about it. What etcd
 * itself says stays as it is: errors are told apart by it.
 */
import { thrownText } from '../../core/thrown.ts';

/** The number and the name of a status, which gRPC puts before each. */
const status = /^(?:Error: )?\d+ [A-Z_]+: /;

export function etcdErrorText(error: unknown): string {
  return plain(thrownText(error));
}

/** The same error, so that all who tell of it, or of what it caused, find it in words. */
export function inWords(error: unknown): unknown {
  if (error instanceof Error && status.test(error.message)) error.message = plain(error.message);
  return error;
}

function plain(text: string): string {
  const said = text.replace(status, '').trim();
  if (/^Deadline exceeded/i.test(said)) {
    return /waiting for LB pick/i.test(said)
      ? 'no connection came about in time'
      : 'there was no answer in time';
  }
  const unresolved = /^Name resolution failed for target (?:dns:)?(\S+)/.exec(said)?.[1];
  if (unresolved !== undefined) return `the name in ${unresolved} is not known here`;
  const unconnected = /^No connection established\. Last error: ([\s\S]*)$/.exec(said)?.[1];
  return unconnected === undefined ? said : `no connection: ${whyText(unconnected)}`;
}

function whyText(given: string): string {
  const why = given
    .replace(/\.?\s*Resolution note:[\s\S]*$/, '')
    .replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)/, '')
    .replace(/^Error: /, '')
    .trim();
  if (/wrong version number/.test(why)) return 'what listens there speaks no TLS';
  if (/^Protocol error/i.test(why)) return 'what listens there is no etcd, or wants TLS';
  if (
    /^unable to (?:verify the first|get (?:local )?issuer) certificate|^self-signed cert/.test(why)
  ) {
    return 'no authority that is trusted here has signed its certificate: give the one that has';
  }
  if (/^Failed to connect|^null$|^$/i.test(why)) return 'it was closed at once';
  return why;
}
