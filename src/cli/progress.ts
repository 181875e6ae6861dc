// Shows how far long work is, on stderr only: a bar on a terminal, elsewhere a plain line every few seconds.

import { Presets, SingleBar } from 'cli-progress';
import type { Progress } from '../authority/api.js';

/** Work that is done sooner shows no bar. */
const BAR_AFTER_MS = 400;

/** Seldom enough for a log file. */
const LINE_EVERY_MS = 5_000;

export interface ShownProgress {
  readonly report: Progress;
  /** Takes the bar away, so that what follows starts on a clean line. */
  end(): void;
}

export function showProgress(title: string, stderr: NodeJS.WriteStream): ShownProgress {
  return stderr.isTTY ? bar(title, stderr) : lines(title, stderr);
}

function bar(title: string, stderr: NodeJS.WriteStream): ShownProgress {
  const shown = new SingleBar(
    {
      stream: stderr,
      format: `${title} {bar} {percentage}% {value}/{total} {eta_formatted}`,
      clearOnComplete: true,
      etaBuffer: 500,
      fps: 8,
    },
    Presets.rect,
  );
  const begunAt = performance.now();
  let started = false;
  return {
    report(done, total) {
      if (started) shown.update(done);
      else if (performance.now() - begunAt >= BAR_AFTER_MS) {
        shown.start(total, done);
        started = true;
      }
    },
    end() {
      if (started) shown.stop();
    },
  };
}

function lines(title: string, stderr: NodeJS.WriteStream): ShownProgress {
  let lastAt = performance.now();
  return {
    report(done, total) {
      const now = performance.now();
      if (now - lastAt < LINE_EVERY_MS) return;
      lastAt = now;
      stderr.write(`${title} ${done}/${total}\n`);
    },
    end() {},
  };
}
