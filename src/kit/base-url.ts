// What a base URL may be, of a provider and of a server that the command line talks to. Called by settings-file.ts and
// by config.ts.

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
