// What requests for images and sound may cost, where the request says something that nobody would say by mistake.

import { describe, expect, test } from 'vitest';
import type { FormPart } from '#bursar/gateway/dialects/multipart.js';
import { imageFacts, transcriptionFacts } from '#bursar/gateway/dialects/openai-media.js';

describe('images', () => {
  test.each(['constructor', '__proto__', 'toString', 'ultra', 5, null])(
    'image: the quality %j → held as the dearest',
    (quality) => {
      const facts = imageFacts('images', { model: 'm', prompt: 'cat', quality });
      expect(facts.outputTokensStated).toBe(6_240);
    },
  );
});

interface Wave {
  readonly format?: number;
  readonly samples?: number;
  readonly bits?: number;
  readonly channels?: number;
  /** What the header says. */
  readonly bytesPerSecond?: number;
}

function secondsHeld(
  length: number,
  { format = 1, samples = 8_000, bits = 8, channels = 1, bytesPerSecond }: Wave,
): number | undefined {
  const content = Buffer.alloc(length, 0x80);
  content.write('RIFF', 0);
  content.write('WAVEfmt ', 8);
  content.writeUInt16LE(format, 20);
  content.writeUInt16LE(channels, 22);
  content.writeUInt32LE(samples, 24);
  content.writeUInt32LE(bytesPerSecond ?? (samples * channels * bits) / 8, 28);
  content.writeUInt16LE(bits, 34);
  const file: FormPart = { name: 'file', isListed: false, fileName: 'a.wav', content };
  return transcriptionFacts('transcriptions', { model: 'm', file: [file] }).billedBy?.most;
}

describe('sound', () => {
  test('sound: WAV → held for the seconds that its samples take', () => {
    expect(secondsHeld(480_000, {})).toBe(60);
    expect(secondsHeld(480_000, { samples: 24_000, bits: 16, channels: 2 })).toBe(5);
    expect(secondsHeld(480_000, { format: 3, samples: 48_000, bits: 32 })).toBe(3);
  });

  test('sound: WAV whose header states more bytes a second than its samples have → held by the samples', () => {
    expect(secondsHeld(480_000, { bytesPerSecond: 400_000 })).toBe(60);
    expect(secondsHeld(480_000, { bytesPerSecond: 4_000_000_000 })).toBe(60);
  });

  test('sound: WAV that nobody records, or with packed samples → held as compressed speech', () => {
    expect(secondsHeld(480_000, { samples: 4_000_000_000 })).toBe(120);
    expect(secondsHeld(480_000, { channels: 65_535 })).toBe(120);
    expect(secondsHeld(480_000, { bits: 65_535 })).toBe(120);
    expect(secondsHeld(480_000, { bits: 0 })).toBe(120);
    expect(secondsHeld(480_000, { format: 0x31, bytesPerSecond: 1_625 })).toBe(120);
  });
});
