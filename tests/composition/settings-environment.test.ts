// What the environment may say: the only other place where the server is told anything.

import { describe, expect, test } from 'vitest';
import { readConfig } from '#bursar/composition/config.js';
import { InvalidInputError } from '#bursar/index.js';

describe('environment', () => {
  test('environment: nothing set, or set to nothing → the defaults', () => {
    const { secretOf, ...config } = readConfig({ BURSAR_PORT: '', BURSAR_CONFIG: '', OPENAI_API_KEY: '' });
    expect(config).toEqual({
      ...{ configPath: null, dataPath: 'bursar-data', host: null, port: null, ledgerPath: 'bursar.db' },
      ...{ url: null, apiKey: null, logLevel: 'info' },
    });
    expect(secretOf('OPENAI_API_KEY')).toBe(undefined);
  });

  test('environment: every variable is taken as stated', () => {
    const config = readConfig({
      ...{ BURSAR_CONFIG: '/etc/b.yaml', BURSAR_DATA: '/var/b', BURSAR_HOST: '::1', BURSAR_PORT: '0' },
      ...{
        BURSAR_LEDGER: 'l.db',
        BURSAR_URL: 'https://b.example/x/',
        BURSAR_KEY: 'bur_k_s',
        BURSAR_LOG_LEVEL: 'warn',
      },
    });
    expect(config).toMatchObject({
      ...{ configPath: '/etc/b.yaml', dataPath: '/var/b', host: '::1', port: 0, ledgerPath: 'l.db' },
      ...{ url: 'https://b.example/x', apiKey: 'bur_k_s', logLevel: 'warn' },
    });
  });

  test('environment: a provider’s key is read when it is asked for, so that it can be changed', () => {
    const environment: Record<string, string> = { OPENAI_API_KEY: 'sk-1' };
    const config = readConfig(environment);
    environment.OPENAI_API_KEY = 'sk-2';
    expect(config.secretOf('OPENAI_API_KEY')).toBe('sk-2');
  });

  test.each([
    ['BURSAR_PORT', '65536', '"65536" is not a whole number from 0 to 65535'],
    ['BURSAR_PORT', '80x', '"80x" is not a whole number'],
    ['BURSAR_PORT', '-1', '"-1" is not a whole number'],
    ['BURSAR_HOST', 'http://x', '"http://x" is no host name or address'],
    ['BURSAR_LOG_LEVEL', 'loud', '"loud" is not one of trace, debug, info, warn, error, fatal, silent'],
    ['BURSAR_URL', 'ftp://x', 'begins with ftp:; http and https are taken'],
    ['BURSAR_DATA', 'x'.repeat(4_097), 'is no path of at most 4096 characters'],
  ])('environment: %s %.20s → an error that names it and its bound', (name, value, problem) => {
    expect(() => readConfig({ [name]: value })).toThrow(InvalidInputError);
    expect(() => readConfig({ [name]: value })).toThrow(`${name}: `);
    expect(() => readConfig({ [name]: value })).toThrow(problem);
  });

  test.each(['s3cret\nX-Evil: 1', 's3cret\r', 's3cret key', 's3crét', 's3cret'.repeat(2_000)])(
    'environment: a key that cannot stand in a header is refused, and not shown (%.12j)',
    (value) => {
      const { secretOf } = readConfig({ PROVIDER_KEY: value });
      expect(() => secretOf('PROVIDER_KEY')).toThrow(
        'PROVIDER_KEY: its value (not shown) cannot stand in a header',
      );
      expect(() => readConfig({ BURSAR_KEY: value })).toThrow(/^(?!.*s3c)BURSAR_KEY: /s);
    },
  );
});
