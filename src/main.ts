/**
 * Entry point: parses the command line and runs a command.
 *
 * The program loads each command on demand, so that `serve` does not load the dependencies of other commands. Exits
 * with 0 after success, with 1 if the command failed, and with 2 if the command line is invalid. The source file of
 * each command lists the causes of the exit codes.
 */
import { Command } from 'commander';
import { withPlainErrors } from './commands/command-errors.ts';
import { guardOutput } from './commands/output.ts';
import { VERSION } from './lib/version.ts';

const EXAMPLES = `
Examples:
  pannier serve --hints              run a sidecar on this machine, without Redis
  pannier call --list                list the methods that a sidecar serves
  pannier check -f policies.yaml     check the settings and a policy file
  pannier serve --help               show all settings`;

const program = new Command('pannier')
  .description('Rate limits, sessions and a cache for a whole fleet of services, one gRPC call to localhost away.')
  .version(VERSION, '-V, --version')
  .addHelpText('after', EXAMPLES);
withPlainErrors(program, 'pannier');

async function main(argv: readonly string[]): Promise<number> {
  guardOutput();
  await addCommands(argv[0]);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    return exitCodeOf(error);
  }
  return Number(process.exitCode ?? 0);
}

/** Adds the named command, or all commands for `--help`, `help` and unknown names. */
async function addCommands(name: string | undefined): Promise<void> {
  const all = Object.entries(COMMANDS);
  const found = all.filter(([each]) => each === name);
  for (const [each, load] of found.length === 0 ? all : found) {
    program.addCommand(withPlainErrors(await load(), `pannier ${each}`));
  }
}

const COMMANDS = {
  serve: async () => (await import('./commands/serve.ts')).serveCommand(),
  check: async () => (await import('./commands/check.ts')).checkCommand(),
  call: async () => (await import('./commands/call.ts')).callCommand(),
  inject: async () => (await import('./commands/inject.ts')).injectCommand(),
  uninject: async () => (await import('./commands/uninject.ts')).uninjectCommand(),
  injection: async () => (await import('./commands/injection.ts')).injectionCommand(),
  wait: async () => (await import('./commands/wait.ts')).waitCommand(),
  webhook: async () => (await import('./commands/webhook.ts')).webhookCommand(),
};

/** Returns 2 for usage errors. Commander also throws for --help and --version, with exit code 0. */
function exitCodeOf(error: unknown): number {
  if (error instanceof Error && 'exitCode' in error && 'code' in error) {
    return error.exitCode === 0 ? 0 : 2;
  }
  throw error;
}

process.exitCode = await main(process.argv.slice(2));
