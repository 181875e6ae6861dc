// The thread in which a journal is read for evidence: explanations and verifications replay it on a state of their own,
// beside the writer and the event loop of the server. Takes one request after another. Started by evidence.ts.

import { randomInt } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { eventOf } from '../journal/recorded.js';
import { toFailure } from '../journal/sqlite/protocol.js';
import { openSqliteReader } from '../journal/sqlite/reader.js';
import { findRecord } from './events.js';
import type { EvidenceAnswer, EvidenceRequest } from './evidence.js';
import { explainDecision } from './explain.js';
import { ReplayPoints } from './replay-points.js';
import { verifyJournal } from './verify.js';

const port = parentPort!;
const reader = openSqliteReader(workerData as string);
const seed = randomInt(2 ** 31);
const points = new ReplayPoints();

async function perform(request: EvidenceRequest): Promise<unknown> {
  switch (request.kind) {
    case 'event': {
      const record = findRecord(reader, request.sequence);
      return record === undefined ? undefined : eventOf(record);
    }
    case 'explain':
      return explainDecision(reader, request.decisionId, seed, points);
    case 'verify':
      return verifyJournal(reader, seed);
  }
}

async function answer(request: EvidenceRequest): Promise<EvidenceAnswer> {
  try {
    return { ok: true, value: await perform(request) };
  } catch (error) {
    return { ok: false, failure: toFailure(error instanceof Error ? error : new Error(String(error))) };
  }
}

port.on('message', (request: EvidenceRequest) => {
  void answer(request).then((answered) => port.postMessage(answered));
});
