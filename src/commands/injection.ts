/**
 * `pannier injection explain` shows what injection would do to manifests; `pannier injection status` shows the state of
 * a cluster.
 */
import { Command, Option } from 'commander';
import { STATES } from '../manifests/status/states.ts';
import { withPlainErrors } from './command-errors.ts';
import { addInjectOptions, type InjectFlags } from './inject.ts';
import { runExplain } from './injection-explain.ts';
import { runStatus, type StatusFlags } from './injection-status.ts';
import { processIo } from './manifest-io.ts';

interface StatusCommandFlags extends Omit<StatusFlags, 'namespace'> {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
}

export function injectionCommand(): Command {
  return new Command('injection')
    .description('Explain injection for manifests, or show its status in a cluster.')
    .addCommand(nested(explainCommand()))
    .addCommand(nested(statusCommand()));
}

/** Makes the subcommand report command-line errors as every other command does, with exit code 2. */
function nested(command: Command): Command {
  return withPlainErrors(command, `pannier injection ${command.name()}`);
}

function explainCommand(): Command {
  return addInjectOptions(new Command('explain'))
    .description('Show for each workload whether its pods get a sidecar, why, and the source of each value.')
    .addHelpText('after', '\nExample:\n  pannier injection explain -f deployment.yaml --config injector.yaml')
    .action((flags: InjectFlags) => {
      process.exitCode = runExplain(flags, processIo);
    });
}

function statusCommand(): Command {
  return new Command('status')
    .description(
      'List workloads and whether the sidecars of their pods are up to date. The exit code is 1 if some are not.',
    )
    .option('-n, --namespace <name>', 'namespace to list (default: all)')
    .option('-A, --all-namespaces', 'list all namespaces')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json']).default('table'))
    .option('--config <file>', "path to the configuration to compare with (default: that of the cluster's injector)")
    .option('--image <image>', 'image of the sidecar; overrides that of --config')
    .option(
      '--injector-config <namespace/name>',
      "ConfigMap with the injector's configuration (default: that of the release)",
    )
    .option('--injector-namespace <name>', 'namespace of that ConfigMap, if its name is unknown')
    .addHelpText('after', statusHelp())
    .action(async (flags: StatusCommandFlags) => {
      process.exitCode = await connectAndRun(flags);
    });
}

function statusHelp(): string {
  const states = STATES.map(({ name, meaning }) => `  ${name.padEnd(20)} ${meaning}`);
  return [
    '',
    'States, from worst to best:',
    ...states,
    '',
    'Examples:',
    '  pannier injection status',
    '  pannier injection status -n shop -o json',
  ].join('\n');
}

async function connectAndRun({ namespace, allNamespaces, ...flags }: StatusCommandFlags): Promise<number> {
  if (namespace !== undefined && allNamespaces === true) {
    processIo.error('cannot use --namespace: --all-namespaces is set too; use one of them');
    return 2;
  }
  try {
    // Loads the large Kubernetes client on demand, because `explain` does not need it.
    const { apiClients } = await import('../injector/api-clients.ts');
    return await runStatus({ ...flags, namespace }, apiClients(), processIo);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    processIo.error(message.startsWith('cannot') ? message : `cannot reach a cluster: ${message}`);
    return 2;
  }
}
