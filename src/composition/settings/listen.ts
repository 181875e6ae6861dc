// Where the server listens: the bounds that the configuration and the environment share, and the default.

import { quoted } from '../../core/labels.js';
import { type Reader, setting, text, whole } from '../../kit/file-value.js';

/** 0 takes any port that is free. */
export const PORT_MAX = 65_535;
/** The longest name that the DNS has. */
const HOST_LENGTH_MAX = 255;

/** Whether a text is a name, an IPv4 or an IPv6 address, without brackets or port. */
export function isHost(text: string): boolean {
  return text.length <= HOST_LENGTH_MAX && /^(?:[\w.-]+|[0-9a-f.]*:[0-9a-f:.]*)$/i.test(text);
}

const hostReader: Reader<string> = (value) => {
  const host = text(HOST_LENGTH_MAX)(value);
  return host === undefined || isHost(host)
    ? host
    : value.problem(`${quoted(host)} is no host name or address`);
};

/** The section `listen`. By default this machine alone: to open the server to others is a decision. */
export const LISTEN_SETTINGS = {
  host: setting(hostReader, '127.0.0.1'),
  port: setting(whole(0, PORT_MAX), 8420),
};
