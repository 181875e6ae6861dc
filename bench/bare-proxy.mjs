// The peer of the gateway: a pass-through proxy on the same HTTP libraries, Fastify in front and undici behind. Bodies go
// through as bytes; it knows no budget, no price and no model.

import Fastify from 'fastify';
import { Pool } from 'undici';

process.once('message', async ({ settings: { provider } }) => {
  const upstream = new Pool(provider);
  const app = Fastify({ bodyLimit: 32 * 1024 * 1024 });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post('/openai/v1/*', async (request, reply) => {
    const answer = await upstream.request({
      method: 'POST',
      path: request.url.slice('/openai'.length),
      headers: { 'content-type': 'application/json', authorization: request.headers.authorization },
      body: request.body,
    });
    reply.code(answer.statusCode).headers({ 'content-type': answer.headers['content-type'] });
    const length = answer.headers['content-length'];
    if (length !== undefined) reply.header('content-length', length);
    return reply.send(answer.body);
  });
  await app.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 });
  process.send({ port: app.server.address().port });
});
process.on('disconnect', () => process.exit());
