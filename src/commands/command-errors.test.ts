/**
 * Tests the usage errors of the command line, each with its exact text.
 */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { withPlainErrors } from './command-errors.ts';

function errorOf(args: readonly string[], environment: Record<string, string> = {}): string {
  let written = '';
  const append = (text: string): void => {
    written += text;
  };
  const command = new Command('webhook')
    .addArgument(new Argument('<what>', 'condition').choices(['ready', 'idle']))
    .requiredOption('-f, --filename <file>', 'path')
    .option('--port <port>', 'port', () => {
      throw new InvalidArgumentError('must be an integer from 0 to 65535');
    })
    .addOption(
      new Option('--certificates <mode>', 'source').env('PANNIER_TEST_CERTIFICATES').choices(['self', 'files']),
    );
  withPlainErrors(command, 'pannier webhook').configureOutput({ writeErr: append });
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
  [['ready', '--certificates', 'some'], '--certificates must be one of self, files, got "some"'],
  [['busy', '-f', 'x'], '<what> must be one of ready, idle, got "busy"'],
  [['ready'], 'cannot run pannier webhook: an option is missing; set --filename <file>'],
  [['-f', 'x'], 'cannot run pannier webhook: an argument is missing; set <what>'],
  [['ready', 'now', '-f', 'x'], 'pannier webhook must have at most 1 argument, got 2'],
])('reports %j in our form', (args, message) => {
  expect(errorOf(args)).toBe(message);
});

test('names the environment variable that set an invalid value', () => {
  const message = errorOf(['ready', '-f', 'x'], { PANNIER_TEST_CERTIFICATES: 'some' });
  expect(message).toBe('PANNIER_TEST_CERTIFICATES must be one of self, files, got "some"');
});
