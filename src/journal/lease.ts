// The one rule of who may open a ledger for writing, shared by every adapter: nobody while a lease is alive, unless
// its holder is known to be gone or an operator takes over. Each opening raises the epoch, which fences those before.

import { FencedError, LedgerHeldError } from '../core/errors.js';
import type { LeaseHolder, OpenWriterOptions } from './port.js';

/** A lease is extended by the appends themselves once so much of it has passed; two thirds remain for hiccups. */
export const LEASE_EXTEND_AFTER = 1 / 3;

/** Throws LedgerHeldError, saying by whom, when `lease` keeps an opener out. */
export function refuseIfHeld(
  lease: LeaseHolder | undefined,
  opener: OpenWriterOptions,
  isHolderGone: () => boolean,
): void {
  if (lease === undefined || opener.takeOver === true) return;
  if (lease.expiresAtMs <= opener.nowMs || isHolderGone()) return;
  throw new LedgerHeldError(
    `the ledger is held by authority "${lease.authorityId}" (${lease.holder}, epoch ${lease.epoch}) until ` +
      `${new Date(lease.expiresAtMs).toISOString()}: close it there, wait for that time, or take it over`,
  );
}

/** Throws FencedError when the lease in force is not this writer's. */
export function assertNotFenced(
  mine: { readonly leaseId: string; readonly epoch: number },
  inForce: { readonly leaseId: string; readonly epoch: number } | undefined,
): void {
  if (inForce !== undefined && inForce.leaseId === mine.leaseId && inForce.epoch === mine.epoch) return;
  throw new FencedError(
    `this writer has epoch ${mine.epoch}, but the ledger is at epoch ${inForce?.epoch ?? 'none'}: ` +
      'another writer took it over; stop, and open it again if it should be yours',
  );
}
