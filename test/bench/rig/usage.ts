/** What a process of this machine has used so far, as the system counts it (Linux). */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Child } from '../../support/process/child.ts';
import type { HeldMemory, SelfTime, Traffic } from './probe.ts';

/** Linux tells everyone the same, whatever its own clock. */
const ticksPerSecond = 100;
/** The same for every disk. */
const sectorBytes = 512;

/** User and system time of all its threads, in milliseconds. */
export function cpuMsOf(pid: number): number {
  // The command's name, in parentheses, may hold spaces.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Fields 14 and 15 of proc(5); the first one left is the third.
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1_000;
}

/** Its memory that is in RAM. */
export function rssBytesOf(pid: number): number {
  return Number(field(`/proc/${pid}/status`, 'VmRSS')) * 1_024;
}

/**
 * What it has changed of files, as the page cache counts it: by whole folios, a mebibyte for a
 * record of some bytes. So this says whether it writes, and not how much.
 */
export function storageBytesOf(pid: number): number {
  return Number(field(`/proc/${pid}/io`, 'write_bytes'));
}

/** What all disks of the machine have written so far, for whomever. */
export function diskBytes(): number {
  // A partition is a part of its disk, and what stands for a file or memory is on none.
  return writtenBytes(readFileSync('/proc/diskstats', 'utf8'), (name) =>
    existsSync(`/sys/block/${name}/device`),
  );
}

export function writtenBytes(diskstats: string, isDisk: (name: string) => boolean): number {
  const lines = diskstats.trim().split('\n');
  const disks = lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , name = '']) => isDisk(name));
  // Field 10 of proc(5): sectors written.
  return disks.reduce((sum, disk) => sum + Number(disk[9]) * sectorBytes, 0);
}

/** Files, sockets and all else that it has open. */
export function handlesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Of a process that runs under the probe. */
export async function heldMemoryOf(child: Child): Promise<HeldMemory> {
  return (await child.ask({ memory: true })) as HeldMemory;
}

/** What processes under the probe send and receive meanwhile. */
export async function trafficOf(
  children: readonly Child[],
  work: () => Promise<void>,
): Promise<readonly Traffic[]> {
  await Promise.all(children.map((child) => child.ask({ messages: 'count' })));
  await work();
  return Promise.all(
    children.map(async (child) => (await child.ask({ messages: 'stop' })) as Traffic),
  );
}

/** Where the main threads of processes under the probe are meanwhile. */
export async function profilesOf(
  children: readonly Child[],
  work: () => Promise<void>,
): Promise<readonly (readonly SelfTime[])[]> {
  await Promise.all(children.map((child) => child.ask({ profile: 'start' })));
  await work();
  return Promise.all(
    children.map(async (child) => (await child.ask({ profile: 'stop' })) as readonly SelfTime[]),
  );
}

export function messagesIn({ sent, received }: Traffic): number {
  return [...Object.values(sent), ...Object.values(received)].reduce((sum, each) => sum + each, 0);
}

function field(path: string, name: string): string {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(path, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`${path} tells no ${name}.`);
  return found;
}
