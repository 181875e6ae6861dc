// Names the operating-system process that holds a lease well enough to tell, on the same host, that it is gone. Then
// a ledger whose holder was killed opens again at once. Never says "gone" on a guess: two processes with one lease
// would be caught by the epoch, but only after the first had been fenced for nothing.

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  readonly host: string;
  /** The kernel's id of this boot; empty where it is not known. */
  readonly bootId: string;
  /** Which process numbers `pid` counts in: containers of one host have their own. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** Clock ticks between boot and the process's start: tells a process from a later one with its number. */
  readonly startedTicks: string;
}

/** In /proc/<pid>/stat, counted after the command name: field 3 is the state and field 22 the start time. */
const STAT_STATE = 0;
const STAT_START = 19;

function orEmpty(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return '';
  }
}

function statFields(pid: number): readonly string[] {
  const stat = orEmpty(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The command name is in brackets and may itself contain spaces and brackets.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

export function thisProcess(): ProcessIdentity {
  return {
    host: hostname(),
    bootId: orEmpty(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    pidNamespace: orEmpty(() => readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    startedTicks: statFields(process.pid)[STAT_START] ?? '',
  };
}

export function describeProcess(identity: ProcessIdentity): string {
  return `host ${identity.host}, process ${identity.pid}`;
}

/** True only when the process certainly runs no more. */
export function isProcessGone(identity: ProcessIdentity): boolean {
  const here = thisProcess();
  const comparable =
    identity.host === here.host &&
    identity.bootId === here.bootId &&
    identity.pidNamespace === here.pidNamespace;
  if (!comparable) return false;
  if (!isNumberInUse(identity.pid)) return true;
  if (identity.startedTicks === '') return false;
  const fields = statFields(identity.pid);
  if (fields.length <= STAT_START) return false;
  const ended = fields[STAT_STATE] === 'Z' || fields[STAT_STATE] === 'X';
  return ended || fields[STAT_START] !== identity.startedTicks;
}

function isNumberInUse(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
