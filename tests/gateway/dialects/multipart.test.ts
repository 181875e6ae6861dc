// Forms with files: read as they are, sent on byte for byte, and refused where two parsers could read them differently.

import { describe, expect, test } from 'vitest';
import { parseForm, readForm } from '#bursar/gateway/dialects/multipart.js';
import { RefusedError } from '#bursar/kit/refusals.js';

/** The bytes of a form as a real client writes it. */
async function formOf(fields: readonly (readonly [string, string | File])[]): Promise<Buffer> {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  return Buffer.from(await new Response(form).arrayBuffer());
}

const line = (...lines: string[]) => Buffer.from(lines.join('\r\n'), 'latin1');
const field = (name: string, value: string) => [
  '--b',
  `Content-Disposition: form-data; name="${name}"`,
  '',
  value,
];

function problemOf(bytes: Buffer): string {
  try {
    readForm(bytes);
  } catch (error) {
    if (error instanceof RefusedError) return error.message;
    throw error;
  }
  return 'taken';
}

describe('a form', () => {
  test("form: what fetch's FormData writes → its texts, numbers, flags and files", async () => {
    const sound = new File([Buffer.from([0, 13, 10, 45, 45, 255])], 'say "hé".mp3', { type: 'audio/mpeg' });
    const bytes = await formOf([
      ['model', 'whisper-1'],
      ['n', '3'],
      ['stream', 'true'],
      ['prompt', '5'],
      ['include[]', 'logprobs'],
      ['file', sound],
    ]);
    const { json, fields } = parseForm(bytes);
    expect(json).toMatchObject({ model: 'whisper-1', n: 3, stream: true, prompt: '5', include: 'logprobs' });
    expect((json.file as { content: Buffer }[])[0].content).toEqual(Buffer.from([0, 13, 10, 45, 45, 255]));
    expect(fields.with({ model: null })).toBe(bytes);
  });

  test('form: a name for the model that is not stated → added as the first part', async () => {
    const bytes = await formOf([['file', new File(['x'], 'a.wav')]]);
    const { json, fields } = parseForm(parseForm(bytes).fields.with({ model: JSON.stringify('small') }));
    expect(json.model).toBe('small');
    expect(Buffer.from(fields.bytes).subarray(-bytes.length)).toEqual(bytes);
  });

  test('form: another name for the model → written in its place, every other byte stays', async () => {
    const bytes = await formOf([
      ['file', new File(['x'.repeat(5_000)], 'a.wav')],
      ['model', 'small'],
      ['prompt', 'small'],
    ]);
    const changed = parseForm(bytes).fields.with({ model: JSON.stringify('the-large-one') });
    expect(Buffer.from(changed).toString('latin1')).toBe(
      bytes.toString('latin1').replace('\r\n\r\nsmall\r\n', '\r\n\r\nthe-large-one\r\n'),
    );
  });

  test('form: the content type that goes out → names the boundary that the body begins with', async () => {
    const form = new FormData();
    form.append('model', 'm');
    const request = new Response(form);
    const bytes = Buffer.from(await request.arrayBuffer());
    const { contentType } = parseForm(bytes).fields;
    const read = await new Response(bytes, { headers: { 'content-type': contentType } }).formData();
    expect([...read]).toEqual([['model', 'm']]);
  });

  test('form: several files of one field → all of them', async () => {
    const bytes = await formOf([
      ['image[]', new File(['a'], 'a.png')],
      ['image[]', new File(['bb'], 'b.png')],
    ]);
    expect(
      (parseForm(bytes).json.image as { content: Buffer }[]).map(({ content }) => content.length),
    ).toEqual([1, 2]);
  });

  test('form: several values of a list, as clients write them → all of them', async () => {
    const bytes = await formOf([
      ['timestamp_granularities[]', 'word'],
      ['timestamp_granularities[]', 'segment'],
      ['include[]', 'logprobs'],
    ]);
    expect(parseForm(bytes).json).toMatchObject({
      timestamp_granularities: ['word', 'segment'],
      include: 'logprobs',
    });
  });

  test.each([
    [
      'a list of a text',
      line(...field('model[]', 'cheap'), ...field('model[]', 'dear'), '--b--', ''),
      'states the field "model" twice',
    ],
    [
      'a field twice',
      line(...field('model', 'cheap'), ...field('model', 'dear'), '--b--', ''),
      'states the field "model" twice',
    ],
    [
      'a field as text and as a file',
      line(
        ...field('model', 'cheap'),
        '--b',
        'Content-Disposition: form-data; name="model"; filename="x"',
        '',
        'dear',
        '--b--',
        '',
      ),
      'states the field "model" twice',
    ],
    [
      'a field and a list of it',
      line(...field('model', 'cheap'), ...field('model[]', 'dear'), '--b--', ''),
      'states the field "model" twice',
    ],
    ['JSON', Buffer.from('{"model":"m"}'), 'must begin with its boundary'],
    ['nothing', Buffer.alloc(0), 'must begin with its boundary'],
    ['no end', line(...field('model', 'm')), 'does not end with its boundary'],
    [
      'something behind the end',
      line(...field('model', 'm'), '--b--', '', 'model=dear'),
      'Something follows the end',
    ],
    [
      'another boundary before',
      line('preamble', ...field('model', 'm'), '--b--'),
      'must begin with its boundary',
    ],
    [
      'a line break of one character',
      Buffer.from('--b\nContent-Disposition: form-data; name="model"\n\nm\n--b--\n'),
      'must begin with its boundary',
    ],
    [
      'a transfer encoding',
      line(
        '--b',
        'Content-Disposition: form-data; name="model"',
        'Content-Transfer-Encoding: base64',
        '',
        'bQ==',
        '--b--',
        '',
      ),
      'content-transfer-encoding',
    ],
    [
      'an escaped name',
      line('--b', 'Content-Disposition: form-data; name="mo\\del"', '', 'm', '--b--', ''),
      'is not understood',
    ],
    [
      'a name without quotes',
      line('--b', 'Content-Disposition: form-data; name=model', '', 'm', '--b--', ''),
      'is not understood',
    ],
    [
      'two dispositions',
      line(
        '--b',
        'Content-Disposition: form-data; name="a"',
        'Content-Disposition: form-data; name="model"',
        '',
        'm',
        '--b--',
        '',
      ),
      'repeats one',
    ],
  ])('form: %s → refused', (_what, bytes, problem) => {
    expect(problemOf(bytes)).toContain(problem);
  });

  test('form: more parts than a request has → refused', () => {
    const parts = Array.from({ length: 65 }, (_, index) => field(`f${index}`, 'x')).flat();
    expect(problemOf(line(...parts, '--b--', ''))).toContain('more than 64 parts');
  });
});
