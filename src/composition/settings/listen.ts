// Where the server listens: what the configuration and the environment may say of it, and the default.

import { quoted } from '../../core/labels.js';
import type { Findings, Located } from '../../kit/located-values.js';
import { Section } from '../../kit/settings-section.js';
import type { Settings } from './settings.js';

/** This machine alone: opening it to others is a decision. */
export const LISTEN_DEFAULT: Settings['listen'] = { host: '127.0.0.1', port: 8420 };
/** 0 takes any port that is free. */
export const PORT_MAX = 65_535;
/** The longest name that the DNS has. */
const HOST_LENGTH_MAX = 255;

/** Whether a text is a name, an IPv4 or an IPv6 address, without brackets or port. */
export function isHost(text: string): boolean {
  return text.length <= HOST_LENGTH_MAX && /^(?:[\w.-]+|[0-9a-f.]*:[0-9a-f:.]*)$/i.test(text);
}

export function readListen(node: Located | undefined, findings: Findings): Settings['listen'] {
  const section = Section.read(node, 'listen', ['host', 'port'], findings);
  const host = section.text('host', { max: HOST_LENGTH_MAX, unlessStated: LISTEN_DEFAULT.host });
  if (!isHost(host)) section.add('host', `${quoted(host)} is no host name or address`);
  const port = section.whole('port', { min: 0, max: PORT_MAX, unlessStated: LISTEN_DEFAULT.port });
  return { host, port };
}
