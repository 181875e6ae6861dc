// Commands as data: a name, arguments and options, each of which is a field of a request on the wire. A command on the ledger
// runs on a file and behind a server; a command of a route is for a server alone. Used by the tables in commands-*.ts.

import { type Command, Option } from 'commander';
import type { CommandRequest } from '../budgets/commands-in.js';
import { type Body, type CallName, type Query, ROUTE_CALLS } from '../client/calls.js';
import type { AnyAnswer } from '../client/client.js';
import type { ItemOf, ListName } from '../client/pages.js';
import type { Unit } from '../core/amount.js';
import { type CliLedger, firstOf } from './cli-ledger.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { type Reader, rowsReader, TEXT } from './options.js';
import { printOutcome } from './output.js';

/** An option, and the field that it is. */
export interface Field {
  readonly flags: string;
  readonly help: string;
  readonly reader: Reader;
  readonly isRequired: boolean;
  /** The help of a second option, `--no-…`, which states that the first one is not so. */
  readonly negated?: string;
}

export function field(flags: string, help: string, reader: Reader = TEXT): Field {
  return { flags, help, reader, isRequired: false };
}

export function required(flags: string, help: string, reader: Reader = TEXT): Field {
  return { flags, help, reader, isRequired: true };
}

/** Fields by their names; `usage.inputTokens` is a field within a field. */
export type Fields = Readonly<Record<string, Field>>;

/** An argument's help, or that and how it is read. A name that ends in `?` may be left out. */
type Arguments = Readonly<Record<string, string | Argument>>;

interface Argument {
  readonly help: string;
  readonly reader?: Reader;
  /** As the help names it, where that is not the field. */
  readonly shown?: string;
}

interface Described {
  readonly name: string;
  readonly about: string;
  readonly args?: Arguments;
  readonly isDefault?: boolean;
}

/** What a command line states, by the names of its arguments and fields. */
type GivenValues = Readonly<Record<string, unknown>>;

const NO_UNITS: readonly Unit[] = [];

function addCommand(
  parent: Command,
  { name, about, args = {}, isDefault = false }: Described,
  fields: Fields,
): Command {
  const command = parent.command(name, { isDefault }).description(about);
  for (const [key, argument] of Object.entries(args)) {
    const {
      help,
      reader = TEXT,
      shown,
    }: Argument = typeof argument === 'string' ? { help: argument } : argument;
    const name = shown ?? key.replace('?', '');
    const place = key.endsWith('?') ? `[${name}]` : `<${name}>`;
    if (reader.read === undefined) command.argument(place, help);
    else command.argument(place, help, reader.read(name) as (text: string, before: unknown) => unknown);
  }
  for (const { flags, help, reader, isRequired, negated } of Object.values(fields)) {
    const read = reader.read?.(flags.split(' ')[0]);
    const option = new Option(flags, help).makeOptionMandatory(isRequired);
    command.addOption(read === undefined ? option : option.argParser(read as never));
    if (negated !== undefined) command.option(flags.replace('--', '--no-'), negated);
  }
  return command;
}

interface Given {
  readonly options: GlobalOptions & { readonly commandId?: string; readonly max?: number };
  /** What the arguments say. */
  readonly args: GivenValues;
  /** What these fields say. */
  of(fields: Fields, units?: readonly Unit[]): GivenValues;
}

function givenTo(command: Command, args: Arguments = {}): Given {
  const options = command.optsWithGlobals<GlobalOptions & Record<string, unknown>>();
  const names = Object.keys(args).map((name) => name.replace('?', ''));
  return {
    options,
    args: Object.fromEntries(names.map((name, index) => [name, command.processedArgs[index] as unknown])),
    of: (fields, units = NO_UNITS) => valuesOf(fields, options, units),
  };
}

function valuesOf(
  fields: Fields,
  options: Readonly<Record<string, unknown>>,
  units: readonly Unit[],
): GivenValues {
  const values: Record<string, unknown> = {};
  for (const [name, { flags, help, reader }] of Object.entries(fields)) {
    const stated = options[new Option(flags, help).attributeName()];
    const value = reader.finish === undefined ? stated : reader.finish(stated, flags.split(' ')[0], units);
    if (value === undefined) continue;
    const [outer, inner] = name.split('.');
    values[outer] = inner === undefined ? value : { ...(values[outer] as object), [inner]: value };
  }
  return values;
}

/** A command of the ledger. */
export interface LedgerCommand extends Described {
  readonly command: CommandRequest['command'];
  readonly fields: Fields;
  /** Fields that every call of it has. */
  readonly fixed?: GivenValues;
  /** Makes the request's fields of what was stated, where they are not the same. */
  readonly finish?: (
    stated: Record<string, unknown>,
    ledger: CliLedger,
  ) => GivenValues | Promise<GivenValues>;
}

const COMMAND_ID = field('--command-id <id>', 'makes a repeat give the first answer again');

export function addLedgerCommand(program: Command, cli: CliContext, table: LedgerCommand): void {
  const command = addCommand(program, table, { ...table.fields, commandId: COMMAND_ID });
  command.action(async () => {
    const { options, args, of } = givenTo(command, table.args);
    await cli.withLedger(options, async (ledger) => {
      const stated = { ...args, ...table.fixed, ...of(table.fields, await ledger.units()) };
      const fields = table.finish === undefined ? stated : await table.finish(stated, ledger);
      const request = { command: table.command, ...fields } as CommandRequest;
      printOutcome(cli, options, await ledger.run(request, options.commandId));
    });
  });
}

/** A command of a server that calls one route. Arguments are names in its path, or fields of its body. */
interface RouteCommand<Name extends CallName, Shown, Arg extends string, Stated extends string>
  extends Described {
  readonly route: Name;
  readonly args?: Readonly<Record<Arg, string | Argument>>;
  readonly query?: Readonly<Partial<Record<keyof Query<Name> & string, Field>>>;
  readonly body?: Readonly<Record<Stated & DottedOf<Body<Name>>, Field>>;
  /** What `--command-id` does, where the command has it. */
  readonly commandId?: string;
  /** What `--json` prints, where that is not the answer. */
  readonly json?: (answer: Shown) => unknown;
  /** The answer for people; `--json` prints the answer itself. */
  readonly text: (answer: Shown) => string;
  /** The exit code, where it is not that of a command of the ledger. */
  readonly exit?: (answer: Shown) => ExitCode;
  /** What is said beside the answer, on the standard error, unless it is JSON. */
  readonly note?: (answer: Shown) => string | null;
}

type DottedOf<T> = T extends object ? (keyof T & string) | `${keyof T & string}.${string}` : never;

/** The name of a field without the `?` of an argument and without the part behind its dot. */
type TopOf<Field extends string> = Field extends `${infer Top}?` | `${infer Top}.${string}` ? Top : Field;

/** A command states every field of its route's body, or names those that it leaves out, each with the reason. */
type AllOf<Request, Stated extends string> = [Exclude<keyof Request & string, TopOf<Stated>>] extends [never]
  ? unknown
  : { readonly leftOut: Readonly<Record<Exclude<keyof Request & string, TopOf<Stated>>, string>> };

export function addRouteCommand<
  Name extends CallName,
  Arg extends string = never,
  Stated extends string = never,
>(
  parent: Command,
  cli: CliContext,
  table: RouteCommand<Name, AnyAnswer<Name>, Arg, Stated> & AllOf<Body<Name>, Arg | Stated>,
): void {
  const { route, args, query = {}, body = {}, text, note, exit = exitOf, json = (answer) => answer } = table;
  const id = table.commandId === undefined ? {} : { commandId: field('--command-id <id>', table.commandId) };
  const command = addCommand(parent, table, { ...(query as Fields), ...(body as Fields), ...id });
  command.action(async () => {
    const given = givenTo(command, args);
    const [method, path] = ROUTE_CALLS[route];
    const isParam = ([name]: readonly [string, unknown]) => path.includes(`:${name}`);
    const inPath = Object.entries(given.args).filter(isParam);
    const inBody = Object.entries(given.args).filter((one) => !isParam(one));
    const parts = {
      params: Object.fromEntries(inPath.map(([name, value]) => [name, String(value)])),
      query: given.of(query as Fields),
      ...(method === 'GET' ? {} : { body: { ...Object.fromEntries(inBody), ...given.of(body as Fields) } }),
    };
    const { commandId } = given.options;
    const once = commandId === undefined ? {} : { idempotencyKey: commandId };
    const answer = (await cli.client(given.options).call(route, parts as never, once)) as AnyAnswer<Name>;
    cli.exitCode = exit(answer);
    cli.answer(given.options, json(answer), () => text(answer));
    const said = given.options.json === true ? null : (note?.(answer) ?? null);
    if (said !== null) cli.note(said);
  });
}

/** Where a route is a command of the ledger, as on a ledger of one's own. */
function exitOf(answer: unknown): ExitCode {
  const { outcome } = answer as { readonly outcome?: string };
  if (outcome === 'denied') return EXIT.denied;
  return outcome === 'rejected' ? EXIT.error : EXIT.done;
}

/** A list of a server, with `--max` where it has a default number of rows. */
interface ListCommand<Name extends ListName> extends Described {
  readonly route: Name;
  readonly query?: Readonly<Partial<Record<keyof Query<Name> & string, Field>>>;
  readonly rows?: number;
  readonly text: (rows: readonly ItemOf<Name>[]) => string;
}

export function addListCommand<Name extends ListName>(
  parent: Command,
  cli: CliContext,
  table: ListCommand<Name>,
): void {
  const { route, query = {}, rows, text } = table;
  const command = addCommand(parent, table, query as Fields);
  if (rows !== undefined) addMaxOption(command, rows);
  command.action(async () => {
    const { options, of } = givenTo(command);
    const all = cli.client(options).all(route, of(query as Fields) as never);
    const answer = await firstOf(all, options.max ?? Number.POSITIVE_INFINITY);
    cli.answer(options, answer, () => text(answer));
  });
}

export function addMaxOption(command: Command, byDefault: number): Command {
  return command.option('--max <rows>', `at most so many (default ${byDefault})`, rowsReader, byDefault);
}
