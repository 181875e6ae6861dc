// The table of commands: a field of a request that no option states is named, with the reason.

import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addRouteCommand, field } from '#bursar/cli/command-table.js';
import type { CliContext } from '#bursar/cli/context.js';

const CLI = undefined as unknown as CliContext;
const about = 'a new chat';
const text = () => '';

test('a command of a route states each field of its body or says why it leaves it out → else it does not compile', () => {
  const program = new Command();
  const stated = { tenant: field('--tenant <name>', 'x'), user: field('--user <name>', 'x') };
  const leftOut = { title: 'not here', model: 'not here', temporary: 'not here' };
  addRouteCommand(program, CLI, { name: 'a', route: 'createChat', about, body: stated, leftOut, text });
  // @ts-expect-error: title, model and temporary are neither stated nor left out
  addRouteCommand(program, CLI, { name: 'b', route: 'createChat', about, body: stated, text });
  const { title, model } = leftOut;
  addRouteCommand(program, CLI, {
    name: 'c',
    route: 'createChat',
    about,
    body: stated,
    // @ts-expect-error: temporary is missing
    leftOut: { title, model },
    text,
  });
  expect(program.commands.map((command) => command.name())).toEqual(['a', 'b', 'c']);
});
