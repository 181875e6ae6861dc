// JSON bodies: UTF-8 only, names that poison prototypes refused, and the text kept beside what it parses to.

import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { RefusedError } from '../../service/refusals.js';

/** Takes application/json and nothing else in this scope. */
export function takeJsonOnly(app: FastifyInstance): void {
  app.decorateRequest('bodyText', '');
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    if (!isUtf8(bytes)) {
      done(new RefusedError('invalid_request', 'body: is not UTF-8'));
      return;
    }
    const text = bytes.toString();
    if (text === '') {
      // As if there were none: whether one is needed is the schema's to say.
      done(null, undefined);
      return;
    }
    request.bodyText = text;
    parse(request, text, done);
  });
}
