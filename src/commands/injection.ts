/**
 * `pannier injection explain` and `pannier injection status`: what injection would do to manifests, and how far a cluster is from it.
 */
import { Command, Option } from 'commander';
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
    .description('What injection does and has done: explain for manifests, status for a cluster.')
    .addCommand(nested(explainCommand()))
    .addCommand(nested(statusCommand()));
}

/** A command line that is wrong is told as for every other command, and its exit code is not that of a stale workload. */
function nested(command: Command): Command {
  return command.exitOverride().showHelpAfterError(`(see pannier injection ${command.name()} --help)`);
}

function explainCommand(): Command {
  return addInjectOptions(new Command('explain'))
    .description('For each workload: whether its pods get a sidecar, why, and where each value comes from.')
    .action((flags: InjectFlags) => {
      process.exitCode = runExplain(flags, processIo);
    });
}

function statusCommand(): Command {
  return new Command('status')
    .description(
      'Workloads whose pods have another sidecar than they would get today, or none (exit code 1: some have).',
    )
    .option('-n, --namespace <name>', 'only this namespace (default: all)')
    .option('-A, --all-namespaces', 'all namespaces')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .option('--config <file>', "the configuration to compare with (default: the cluster's)")
    .option('--image <image>', 'image of the sidecar, wins over the configuration of --config')
    .option('--injector-namespace <name>', "where the injector's ConfigMap is", 'pannier-system')
    .action(async (flags: StatusCommandFlags) => {
      process.exitCode = await connectAndRun(flags);
    });
}

async function connectAndRun({ namespace, allNamespaces, ...flags }: StatusCommandFlags): Promise<number> {
  if (namespace !== undefined && allNamespaces === true) {
    processIo.error('cannot use --namespace: --all-namespaces is given too, wanted one of them');
    return 2;
  }
  try {
    // Loaded here: explain needs no client of a cluster, and it is the larger half of what there is to load.
    const { apiClients } = await import('../injector/api-clients.ts');
    return await runStatus({ ...flags, namespace }, apiClients().core, processIo);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    processIo.error(message.startsWith('cannot') ? message : `cannot reach a cluster: ${message}`);
    return 2;
  }
}
