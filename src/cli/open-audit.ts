/** The audit log of `verdict serve`, up to the end of the process. */
import process from 'node:process';
import { thrownText } from '../core/thrown.ts';
import { type Audit, type NodeStopped, noAudit } from '../ports/audit.ts';
import type { Logger } from '../ports/logger.ts';
import { AppendFileError } from '../system/append-file.ts';
import { AuditFile } from '../system/audit-file.ts';
import { systemClock } from '../system/clock.ts';
import { CommandError } from './command-error.ts';
import type { Io } from './io.ts';
import { auditDefaults } from './options.ts';

export interface AuditFlags {
  readonly auditFile?: string;
  readonly auditMaxBytes?: number;
  readonly auditFiles?: number;
}

export interface OpenedAudit extends Audit {
  /** Written at the end of the process as well, if it did not come to it before. */
  stopped(event: Omit<NodeStopped, 'event'>): void;
}

export async function openAudit(
  io: Io,
  flags: AuditFlags,
  own: { readonly node: string; readonly logger: Logger },
): Promise<OpenedAudit> {
  const { auditFile } = flags;
  const { auditMaxBytes = auditDefaults.maxBytes, auditFiles = auditDefaults.files } = flags;
  if (auditFile === undefined) return { ...noAudit, stopped: () => undefined };
  const file = await AuditFile.open({
    file: auditFile,
    node: own.node,
    clock: systemClock,
    maxBytes: auditMaxBytes,
    files: auditFiles,
    problem: (text) => own.logger.error({ event: 'audit-log' }, text),
  }).catch((error: unknown) => {
    const text = error instanceof AppendFileError ? error.message : thrownText(error);
    throw new CommandError('INPUT', `The audit log cannot be written. ${text}`, { cause: error });
  });
  const release = auditFile === '-' ? () => undefined : io.onHangUp(() => file.reopen());
  let over = false;
  const stopped = (event: Omit<NodeStopped, 'event'>): void => {
    if (over) return;
    over = true;
    file.write({ event: 'stopped', ...event });
  };
  // A fault, or a second signal: no one waits for the disk.
  const exit = (exitCode: number): void => {
    stopped({ how: 'exit', exitCode });
    file.flushSync();
  };
  process.on('exit', exit);
  return {
    write: (event) => file.write(event),
    stopped,
    close: async () => {
      process.removeListener('exit', exit);
      release();
      await file.close();
    },
  };
}
