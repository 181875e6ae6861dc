// Snapshots of the books, and certificates over them: a snapshot is a command of its own, so that its version and the
// certified totals are journalled. Both block until they are durable. Called by ledger.ts.

import { canonicalText, conservationFailure, snapshotFigures } from '../core/books.js';
import type { CheckedRider } from '../core/facts.js';
import type { Certificate, Snapshot } from '../core/outcomes.js';
import { digestOf } from '../journal/chain.js';
import type { Pipeline } from './pipeline.js';

interface SnapshotOptions {
  readonly certify: boolean;
  readonly rider: CheckedRider;
}

export function takeSnapshot(pipeline: Pipeline, { certify, rider }: SnapshotOptions): Snapshot {
  const { state } = pipeline;
  pipeline.execute({ kind: 'take_snapshot', commandId: null, certify }, rider);
  const figures = snapshotFigures(state);
  const head = pipeline.drainSync();
  return { ...figures, head, at: state.time, digest: digestOf(canonicalText(figures)) };
}

export function takeCertificate(pipeline: Pipeline, rider: CheckedRider): Certificate {
  const { units, spentTotal, certifiedTotal } = pipeline.state;
  const before = [...certifiedTotal];
  const { digest, version, head, at, balances } = takeSnapshot(pipeline, { certify: true, rider });
  const failure = conservationFailure(balances);
  const spentSinceLast = Object.fromEntries(
    units.units.map(({ name }, unit) => {
      const since = spentTotal[unit] - before[unit];
      return [name, since > 0n ? since : 0n];
    }),
  );
  const status = failure === null ? 'balanced' : 'unbalanced';
  return { digest, status, failure, version, head, at, spentSinceLast };
}
