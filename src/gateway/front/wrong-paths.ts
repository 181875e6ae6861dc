// What a request that reached no route is told: the URL that its caller means, where it can be guessed. Base URLs are put
// together in many ways (a version twice, none, the other dialect's prefix, a slash at the end), and "not found" alone makes
// people look for the fault elsewhere. Clients that would rather speak over a WebSocket (Codex tries it first, at every start)
// are told at once that they cannot: 426 makes them go on over HTTP. Called by gateway.ts.

import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import { RefusedError } from '../../kit/refusals.js';
import { DIALECTS, type DialectName } from '../metering/endpoints.js';
import { GATEWAY_ROUTES, type GatewayRoute } from './routes.js';

/** Of a path in a message: longer ones are not guessed at. */
const PATH_LENGTH_MAX = 256;
/** What base URLs put before an endpoint's own path, in any order and number. */
const PREFIXES: ReadonlySet<string> = new Set([...DIALECTS, 'api', 'v1', 'v2', 'v1beta']);
/** What a client is configured with, for each dialect: Anthropic's clients add the version themselves. */
const BASE_URLS: Readonly<Record<DialectName, string>> = { openai: '/openai/v1', anthropic: '/anthropic' };

const DEPLOYMENT = /^\/openai\/deployments\/[^/]+\/./;

type PathRequest = { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders };

/** The dialect in which a request that reached no route is answered; null: it is none of the gateway's. */
export function dialectOf(request: PathRequest): DialectName | null {
  const [first] = segmentsOf(request.url);
  return DIALECTS.find((dialect) => dialect === first) ?? meant(request)[0]?.dialect ?? null;
}

/** The refusal of a request that reached no route. */
export function wrongPath(request: PathRequest): RefusedError {
  const routes = meant(request);
  const path = pathOf(request.url);
  if (routes.length === 0 && DEPLOYMENT.test(path))
    return refused(
      `${quoted(path)} is a path of Azure's: state api-version in its query, as Azure's clients do.`,
    );
  if (routes.length === 0) return refused(`${METERED_ONLY}, and ${quoted(path)} is none of them.`);
  const [{ dialect, method }] = routes;
  const right = routes.map((route) => `${route.method} /${route.dialect}${shownPath(route, request.url)}`);
  if (routes.some((route) => `/${route.dialect}${shownPath(route, request.url)}` === path))
    return refused(`${request.method} is not taken by ${path}: send ${method}.`);
  const base = `${dialect === 'openai' ? 'an OpenAI' : 'an Anthropic'} client's base URL ends in ${BASE_URLS[dialect]}`;
  return refused(`There is no ${quoted(path)} here. Use ${right.join(' or ')}; ${base}.`);
}

const METERED_ONLY = 'Bursar forwards only the routes that it meters (docs/gateway.md)';

// By the path behind whatever stands before it; the dialect whose prefix it has comes first, then the one of its headers.
function meant({ method, url, headers }: PathRequest): GatewayRoute[] {
  if (url.length > PATH_LENGTH_MAX) return [];
  const segments = segmentsOf(url);
  const own = segments.slice(segments.findIndex((segment) => !PREFIXES.has(segment)));
  if (own.length === 0 || PREFIXES.has(own[0])) return [];
  const found = GATEWAY_ROUTES.filter((route) => isSame(segmentsOf(route.path).slice(1), own));
  const stated = segments.find((segment) => DIALECTS.some((dialect) => dialect === segment));
  const preferred = stated ?? (headers['anthropic-version'] === undefined ? 'openai' : 'anthropic');
  const rank = (route: GatewayRoute) =>
    Number(route.dialect !== preferred) * 2 + Number(route.method !== method);
  const ranked = found.sort((left, right) => rank(left) - rank(right));
  return stated === undefined
    ? ranked
    : ranked.filter(({ dialect }) => dialect === ranked[0].dialect).slice(0, 1);
}

/** Lower-case, without the query, empty ones left out. */
function segmentsOf(url: string): string[] {
  return pathOf(url)
    .toLowerCase()
    .split('/')
    .filter((segment) => segment !== '');
}

function pathOf(url: string): string {
  return url.split(/[?#]/, 1)[0];
}

// A route's parameters stand for one segment, its `*` for all that follow.
function isSame(pattern: readonly string[], segments: readonly string[]): boolean {
  const rest = pattern.at(-1) === '*';
  if (rest ? segments.length < pattern.length : segments.length !== pattern.length) return false;
  return pattern.every((part, index) => part === '*' || part.startsWith(':') || part === segments[index]);
}

/** The route's path with what the request has in place of its parameters. */
function shownPath({ path }: GatewayRoute, url: string): string {
  const pattern = path.split('/').slice(1);
  const written = pathOf(url)
    .split('/')
    .filter((segment) => segment !== '');
  const own = written.slice(written.findIndex((segment) => !PREFIXES.has(segment.toLowerCase())));
  const parts = pattern.slice(1).flatMap((part, index) => {
    if (part === '*') return own.slice(index);
    return part.startsWith(':') ? [own[index]] : [part];
  });
  return `/${[pattern[0], ...parts].join('/')}`;
}

function quoted(path: string): string {
  return path.length <= PATH_LENGTH_MAX ? path : `${path.slice(0, PATH_LENGTH_MAX)}…`;
}

function refused(message: string): RefusedError {
  return new RefusedError('route_not_metered', message);
}

/** A handshake is a GET; other requests may offer an upgrade that a server leaves alone (`h2c`). */
export function isWebSocket({ method, headers }: Pick<FastifyRequest, 'method' | 'headers'>): boolean {
  return method === 'GET' && /\bwebsocket\b/i.test(headers.upgrade ?? '');
}

/** A 426 names what is taken instead (RFC 9110, 15.5.22); nothing that may follow on the connection is read as a request. */
export function webSocketRefused(reply: FastifyReply): RefusedError {
  reply.header('upgrade', 'HTTP/1.1').header('connection', 'upgrade, close');
  return new RefusedError(
    'websocket_not_taken',
    'WebSockets are not taken here; send the same request over HTTP, whose answer can be a stream.',
  );
}

export const refuseWebSocket: onRequestHookHandler = (request, reply, done) => {
  if (isWebSocket(request)) done(webSocketRefused(reply));
  else done();
};
