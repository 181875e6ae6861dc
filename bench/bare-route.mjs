// The peer of POST /v1/holds: the same Fastify with the same schemas, which checks the same request and writes an answer
// of the same size, and decides and stores nothing.

import Fastify from 'fastify';
import { AuthorizeRequest } from '../dist/budgets/holds-api.js';
import { Authorized, SHARED_SCHEMAS } from '../dist/budgets/outcomes-schema.js';

process.once('message', async ({ settings: { answer } }) => {
  const app = Fastify({ ajv: { customOptions: { allowUnionTypes: true } } });
  for (const schema of SHARED_SCHEMAS) app.addSchema(schema);
  app.post(
    '/v1/holds',
    { schema: { body: AuthorizeRequest, response: { 201: Authorized } } },
    async (request, reply) => {
      reply.code(201);
      return { ...answer, holdId: request.body.holdId };
    },
  );
  await app.listen({ host: '127.0.0.1', port: 0 });
  process.send({ port: app.server.address().port });
});
process.on('disconnect', () => process.exit());
