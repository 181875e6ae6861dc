// The path of a request to a provider. The prefix is worked out from base URL and profile once, when settings are read. A base
// URL that names a version is complete: only the endpoint is appended to it.

import type { Endpoint } from '../metering/endpoints.js';
import type { RequestProfile } from './profile.js';

/** A path segment that is a version: `v1`, `v4`, `v1beta`, `v1beta2`. */
const VERSION = /^v\d+(?:(?:alpha|beta)\d*)?$/;

function namesVersion(baseUrl: string): boolean {
  return new URL(baseUrl).pathname.split('/').some((part) => VERSION.test(part));
}

/** The request part of a profile, adapted to this base URL. */
export function requestBehind(request: RequestProfile, baseUrl: string | null): RequestProfile {
  if (baseUrl === null) return request;
  if (namesVersion(baseUrl)) return { ...request, pathPrefix: '', paths: {}, query: {} };
  return { ...request, pathPrefix: withoutOverlap(new URL(baseUrl).pathname, request.pathPrefix) };
}

// `https://api.groq.com` and `https://api.groq.com/openai` mean the same place: a prefix that the base URL has is not repeated.
function withoutOverlap(basePath: string, prefix: string): string {
  const parts = prefix.split('/').filter((part) => part !== '');
  for (let taken = parts.length; taken > 0; taken--) {
    if (basePath.endsWith(`/${parts.slice(0, taken).join('/')}`)) {
      return parts
        .slice(taken)
        .map((part) => `/${part}`)
        .join('');
    }
  }
  return prefix;
}

interface RequestPlace {
  /** Null for objects that the provider stores, such as a response: they have no path of their own in a profile. */
  readonly endpoint: Endpoint | null;
  /** The path of the dialect, `/v1/…`, with its query. */
  readonly path: string;
  /** The provider's name for the model. */
  readonly model: string;
}

/** The path and query of one request, to be appended to the path of the base URL. */
export function requestPath(request: RequestProfile, { endpoint, path, model }: RequestPlace): string {
  const stated = queryOf(request);
  const own = endpoint === null ? undefined : request.paths[endpoint];
  // Most providers come here.
  if (own === undefined && stated === '') return request.pathPrefix + path.slice(DIALECT_VERSION.length);
  const [plain, query = ''] = path.split('?', 2);
  const behind = own?.replaceAll('{model}', encodeURIComponent(model)) ?? plain.slice(DIALECT_VERSION.length);
  const queries = [query, stated].filter((text) => text !== '').join('&');
  return `${request.pathPrefix}${behind}${queries === '' ? '' : `?${queries}`}`;
}

const QUERIES = new WeakMap<RequestProfile, string>();

function queryOf(request: RequestProfile): string {
  let text = QUERIES.get(request);
  if (text === undefined) {
    text = new URLSearchParams({ ...request.query }).toString();
    QUERIES.set(request, text);
  }
  return text;
}

/** The beginning of every path of both dialects. */
const DIALECT_VERSION = '/v1';
