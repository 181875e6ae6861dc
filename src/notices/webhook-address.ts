// Where a webhook may go. A tenant names the URL and the server calls it: unless configured otherwise, only https to
// addresses of the public internet, so that nobody reaches through the server what is beside it. Names are looked up when a
// connection is made, and what they lead to is checked then (webhook-connections.ts); literal addresses are checked here.

import { BlockList, isIP } from 'node:net';
import { type Reach, URL_LENGTH_MAX } from './notice.js';

/** IANA's special-purpose addresses: https://www.iana.org/assignments/iana-ipv4-special-registry */
const PRIVATE_4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
/** Within 2000::/3, which alone is the public internet: protocols, documentation, and what carries an IPv4 address. */
const PRIVATE_6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const private4 = new BlockList();
for (const [net, bits] of PRIVATE_4) private4.addSubnet(net, bits, 'ipv4');
const private6 = new BlockList();
for (const [net, bits] of PRIVATE_6) private6.addSubnet(net, bits, 'ipv6');
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');

/** Whether an address, as text, is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !private4.check(address, 'ipv4');
    case 6:
      return global6.check(address, 'ipv6') && !private6.check(address, 'ipv6');
    default:
      return false;
  }
}

/** What is wrong with a text as a webhook's URL, or null. It says nothing of the URL, which may hold a secret. */
export function webhookUrlProblem(text: string, reach: Reach): string | null {
  if (text.length > URL_LENGTH_MAX) return `has ${text.length} characters; at most ${URL_LENGTH_MAX}`;
  if (!/^[\x21-\x7e]+$/.test(text) || !URL.canParse(text))
    return 'is no URL such as https://example.com/hook';
  const { protocol, username, password, hash, hostname } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') return `begins with ${protocol}; https is taken`;
  if (username !== '' || password !== '') return 'has credentials in it';
  if (hash !== '') return 'has a fragment';
  if (reach === 'any') return null;
  if (protocol !== 'https:') return 'is not https';
  const literal = hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0) return isPublicAddress(literal) ? null : PRIVATE;
  return /(?:^|\.)(?:localhost|local|internal)\.?$/.test(hostname) ? PRIVATE : null;
}

const PRIVATE = 'leads to a private address, which this server is not configured to call';
