/**
 * Tests the usage errors of the command line, each with its exact text.
 */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { callCommand } from './call.ts';
import { checkCommand } from './check.ts';
import { withPlainErrors } from './command-errors.ts';
import { injectCommand } from './inject.ts';
import { injectionCommand } from './injection.ts';
import { serveCommand } from './serve.ts';
import { uninjectCommand } from './uninject.ts';
import { waitCommand } from './wait.ts';
import { webhookCommand } from './webhook.ts';

function refusePort(): string {
  throw new InvalidArgumentError('must be an integer from 0 to 65535');
}

function errorOf(
  args: readonly string[],
  environment: Record<string, string> = {},
  readPort: (text: string) => string = refusePort,
): string {
  let written = '';
  const append = (text: string): void => {
    written += text;
  };
  const command = new Command('webhook')
    .addArgument(new Argument('<what>', 'condition').choices(['ready', 'idle']))
    .requiredOption('-f, --filename <file>', 'path')
    .option('--port <port>', 'port', readPort)
    .addOption(
      new Option('--certificates <mode>', 'source').env('PANNIER_TEST_CERTIFICATES').choices(['self', 'files']),
    );
  withPlainErrors(command, 'pannier webhook').configureOutput({ writeErr: append });
  command.action(() => undefined);
  Object.assign(process.env, environment);
  try {
    expect(() => command.parse([...args], { from: 'user' })).toThrow();
  } finally {
    for (const name of Object.keys(environment)) {
      delete process.env[name];
    }
  }
  const [message, ...rest] = written.split('\n');
  expect(rest).toEqual(['(see pannier webhook --help)', '']);
  return message ?? '';
}

test.each([
  [['ready', '--leaf-lifetime-ms', '1'], 'cannot run pannier webhook: an option is missing; set --filename <file>'],
  [['ready', '--authority-file', 'x'], 'cannot run pannier webhook: an option is missing; set --filename <file>'],
  [['ready', '--prot', '1'], 'cannot run pannier webhook: an option is missing; set --filename <file>'],
  [['ready', '--zzzzzzzz'], 'cannot run pannier webhook: an option is missing; set --filename <file>'],
  [['ready', '--port', 'x'], '--port must be an integer from 0 to 65535, got "x"'],
  [['ready', '--port'], '--port must have a value, got nothing'],
  [['ready', '-f', '--certificates', 'self'], '--filename must have a value, got the option --certificates'],
  [['ready', '--certificates', 'some'], '--certificates must be one of self, files, got "some"'],
  [['busy', '-f', 'x'], '<what> must be one of ready, idle, got "busy"'],
  [['ready'], 'cannot run pannier webhook: an option is missing; set --filename <file>'],
  [['-f', 'x'], 'cannot run pannier webhook: an argument is missing; set <what>'],
  [['ready', 'now', '-f', 'x'], 'pannier webhook must have at most 1 argument, got 2'],
])('reports %j in our form', (args, message) => {
  expect(errorOf(args)).toBe(message);
});

test.each([
  [['--port', '1', '--port', '2'], '--port must be set at most once, got 2 values'],
  [['--port=1', '--port', '1', '--port=3'], '--port must be set at most once, got 3 values'],
  [['-f', 'y'], '--filename must be set at most once, got 2 values'],
])('refuses %j instead of using the last value', (args, message) => {
  expect(errorOf(['ready', '-f', 'x', ...args], {}, (text) => text)).toBe(message);
});

test('says how to name files that follow no option', () => {
  let written = '';
  const command = withPlainErrors(injectCommand(), 'pannier inject');
  command.configureOutput({
    writeErr: (text) => {
      written += text;
    },
  });
  expect(() => command.parse(['--image', 'a:1', 'a.yaml', '-f', 'b.yaml'], { from: 'user' })).toThrow();
  expect(written).toMatch(/^pannier inject must have no arguments, got 1; name files with --filename\n/);
});

test('names the environment variable that set an invalid value', () => {
  const message = errorOf(['ready', '-f', 'x'], { PANNIER_TEST_CERTIFICATES: 'some' });
  expect(message).toBe('PANNIER_TEST_CERTIFICATES must be one of self, files, got "some"');
});

/** Returns all commands, without the state of another test. */
function commands(): Command[] {
  return [
    serveCommand(),
    checkCommand(),
    callCommand(),
    injectCommand(),
    uninjectCommand(),
    ...injectionCommand().commands,
    waitCommand(),
    webhookCommand(),
  ];
}

/** Options whose values are collected; every other option with a value must be set at most once. */
const COLLECTED = ['filename', 'kind', 'metadata', 'policy-file'];

const COMMANDS_WITH_FILES = ['inject', 'uninject', 'explain'];

function validValue(option: Option): string {
  const candidates = option.argChoices ?? ['1', '600000', '127.0.0.1:1'];
  const valid = candidates.find((candidate) => {
    try {
      option.parseArg?.(candidate, undefined);
      return true;
    } catch {
      return false;
    }
  });
  return valid ?? '';
}

const options = commands().flatMap((command) =>
  command.options.filter((option) => option.required).map((option) => [command.name(), option.name()] as const),
);

test.each(options)('%s takes each value of --%s, or refuses a second value', async (commandName, optionName) => {
  const command = commands().find((candidate) => candidate.name() === commandName);
  const option = command?.options.find((candidate) => candidate.name() === optionName);
  if (command === undefined || option === undefined) {
    throw new Error(`no option --${optionName}`);
  }
  let written = '';
  let seen: unknown;
  withPlainErrors(command, commandName)
    .configureOutput({
      writeErr: (text) => {
        written += text;
      },
    })
    .action(() => {
      seen = command.opts()[option.attributeName()];
    });
  const value = validValue(option);
  const required = optionName === 'filename' || !COMMANDS_WITH_FILES.includes(commandName) ? [] : ['--filename=x'];
  const argument = commandName === 'wait' ? ['ready'] : [];
  const args = [...required, `--${optionName}=${value}`, `--${optionName}=${value}`, ...argument];
  const parsed = command.parseAsync(args, { from: 'user' });
  if (COLLECTED.includes(optionName)) {
    await parsed;
    expect(seen).toEqual([value, value]);
  } else {
    await expect(parsed).rejects.toThrow();
    expect(seen).toBeUndefined();
    expect(written).toContain(`--${optionName} must be set at most once, got 2 values\n(see `);
  }
});
