// What a base URL may be, of a provider and of a server that the command line talks to; and how the configuration names where
// a key is. Called by the sections of the configuration and by config.ts.

import { type Reader, text } from './file-value.js';

/** Longer URLs are refused by servers and proxies everywhere. */
const URL_LENGTH_MAX = 2_048;
/** The usual form of an environment variable's name: nothing that could break a header or a log line. */
const VARIABLE_NAME = /^[A-Z][A-Z0-9_]{0,127}$/;

/** What is wrong with a text as a base URL, or null. Says nothing of the text itself, which may hold a password. */
export function baseUrlProblem(text: string): string | null {
  if (!URL.canParse(text)) return 'is no URL such as https://api.openai.com';
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return `begins with ${url.protocol}; http and https are taken`;
  if (url.username !== '' || url.password !== '')
    return 'has credentials in it; name the environment variable of the key instead';
  if (/[?#]/.test(text)) return 'has a query or a fragment; leave out what follows the ? or #';
  return null;
}

/** The same of Bursar's own server, whose routes all begin with /v1. */
export function serverUrlProblem(text: string): string | null {
  const problem = baseUrlProblem(text);
  if (problem !== null || !/\/v1\/*$/.test(new URL(text).pathname)) return problem;
  return 'ends in /v1; leave that out, the paths of the endpoints begin with it';
}

/** As settings hold it: normalised, without a slash at the end. */
export function plainBaseUrl(text: string): string {
  const { origin, pathname } = new URL(text);
  return origin + pathname.replace(/\/+$/, '');
}

/** A base URL, normalised. Problems do not repeat the text, since a URL with a password is one of them. */
export const baseUrl: Reader<string> = (value) => {
  const url = text(URL_LENGTH_MAX)(value);
  const problem = url === undefined ? null : baseUrlProblem(url);
  if (problem !== null) return value.problem(problem);
  return url === undefined ? undefined : plainBaseUrl(url);
};

/** The environment variable that holds a key; null: none. Problems do not repeat the text, which may be a key by mistake. */
export const keyFrom: Reader<string | null> = (value) => {
  if (value.scalar === null) return null;
  if (VARIABLE_NAME.test(value.text)) return value.text;
  return value.problem('names an environment variable (A–Z, 0–9 and _, such as OPENAI_API_KEY), never a key');
};
