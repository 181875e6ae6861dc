// The worker thread of the SQLite writer: takes requests one by one, answers each in order. Its first failure is its
// last act: every later request gets the same answer, since what is on disk is then unknown.

import { parentPort, workerData } from 'node:worker_threads';
import {
  type Answer,
  CommitBoard,
  type Failure,
  type Request,
  toFailure,
  type WorkerStart,
} from './protocol.js';
import { SqliteStore } from './store.js';

const port = parentPort!;
const start = workerData as WorkerStart;
const board = new CommitBoard(start.board);
let failure: Failure | undefined;

function answer(message: Answer): void {
  port.postMessage(message);
}

function fail(error: unknown): Failure {
  failure = toFailure(error instanceof Error ? error : new Error(String(error)));
  board.fail(failure);
  return failure;
}

function open(): SqliteStore | undefined {
  try {
    const store = new SqliteStore(start);
    board.begin(store.point);
    answer({ ok: true, value: { epoch: store.epoch, leaseId: store.leaseId } });
    return store;
  } catch (error) {
    answer({ ok: false, failure: fail(error) });
    return undefined;
  }
}

function perform(store: SqliteStore, request: Exclude<Request, { kind: 'close' }>): Answer {
  switch (request.kind) {
    case 'append':
      store.append(request);
      board.publish(store.point);
      return { ok: true, value: store.head };
    case 'renew':
      store.renewLease(request.nowMs);
      return { ok: true, value: undefined };
    case 'checkpoint_begin':
      store.beginCheckpoint(request.sequence, request.chainHash);
      return { ok: true, value: undefined };
    case 'checkpoint_chunk':
      store.addCheckpointChunk(request.bytes);
      return { ok: true, value: undefined };
    case 'checkpoint_finish':
      store.finishCheckpoint();
      return { ok: true, value: undefined };
    case 'checkpoint_clear_one':
      return { ok: true, value: store.clearOneCheckpointChunk() };
  }
}

function serve(store: SqliteStore, request: Request): void {
  if (request.kind === 'close') {
    answer({ ok: true, value: store.close() });
    port.close();
    return;
  }
  if (failure !== undefined) {
    answer({ ok: false, failure });
    return;
  }
  try {
    answer(perform(store, request));
  } catch (error) {
    answer({ ok: false, failure: fail(error) });
    return;
  }
  try {
    store.tidy();
  } catch (error) {
    // This request was answered; the next one is told.
    fail(error);
  }
}

const store = open();
if (store !== undefined) port.on('message', (request: Request) => serve(store, request));
