// What the server offers about itself: its schemas and routes.

import { type Static, Type } from 'typebox';
import { PLATFORM, routes } from '../kit/route.js';
import { Nothing } from '../kit/schema-parts.js';

export const Reloaded = Type.Object({ reloaded: Type.Literal(true), message: Type.String() });
export type Reloaded = Static<typeof Reloaded>;

export const SERVICE_ROUTES = routes({
  reload: {
    method: 'POST',
    path: '/v1/reload',
    tag: 'service',
    summary: 'Read the configuration file again and put it in force, or refuse all of it',
    scopes: PLATFORM,
    platformOnly: true,
    body: Nothing,
    answers: { 200: Reloaded },
  },
});
