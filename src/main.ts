/**
 * argv -> a command, nothing else.
 *
 * Every command is loaded only when it is asked for, so that `serve` does not pay for what the others need.
 * Exit codes: 0 done, 1 the work failed, 2 the command line was wrong.
 */
import { Command } from 'commander';
import { guardOutput } from './commands/output.ts';
import { VERSION } from './lib/version.ts';

const program = new Command('pannier')
  .description('Rate limits, sessions and a cache that hold across the whole fleet, as a gRPC call to localhost.')
  .version(VERSION, '-V, --version')
  .showHelpAfterError('(see pannier --help)')
  .exitOverride();

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

/** The command that is asked for; for `--help`, `help` and unknown names all of them. */
async function addCommands(asked: string | undefined): Promise<void> {
  const all = Object.entries(COMMANDS);
  const found = all.filter(([name]) => name === asked);
  for (const [name, load] of found.length === 0 ? all : found) {
    program.addCommand((await load()).exitOverride().showHelpAfterError(`(see pannier ${name} --help)`));
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

/** Commander throws for --help and --version too, with exit code 0; its own complaints are usage errors. */
function exitCodeOf(error: unknown): number {
  if (error instanceof Error && 'exitCode' in error && 'code' in error) {
    return error.exitCode === 0 ? 0 : 2;
  }
  throw error;
}

process.exitCode = await main(process.argv.slice(2));
