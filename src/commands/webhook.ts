/**
 * `pannier webhook`: runs the injector until SIGTERM or SIGINT, then drains.
 *
 * Exit codes: 0 drained; 1 it could not start (a port is taken, there is no cluster); 2 the command line or the configuration file has
 * mistakes, all of them printed. A second signal ends it at once.
 */
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseSidecarConfig, type SidecarConfig } from '../injection/sidecar-config.ts';
import { apiClients } from '../injector/api-clients.ts';
import { type Address, type Injector, type InjectorOptions, startInjector } from '../injector/injector.ts';
import { VERSION } from '../lib/version.ts';
import { createLog } from '../observability/log.ts';
import { nextStopSignal } from './stop-signal.ts';

interface Flags {
  readonly config: string;
  readonly port: number;
  readonly adminAddress: Address;
  readonly namespace: string;
  readonly serviceName: string;
  readonly webhookConfiguration: string;
  readonly certificates: 'self' | 'files';
  readonly caSecret: string;
  readonly caLifetimeMs: number;
  readonly servingCertificateLifetimeMs: number;
  readonly certificateFile?: string;
  readonly keyFile?: string;
  readonly caFile?: string;
  readonly drainDelayMs: number;
  readonly logLevel: string;
}

const DAY_MS = 86_400_000;
const LIFETIME_MS = { min: 10_000, max: 3_650 * DAY_MS };
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'];

export function webhookCommand(): Command {
  const command = new Command('webhook').description(
    'Serve the injector: the admission webhooks that put the sidecar into pods. Every option may be set by the environment.',
  );
  const options = [
    option('--config <file>', 'what a sidecar is', 'CONFIG').default('/etc/pannier/injector.yaml'),
    option('--port <port>', 'of the webhooks, HTTPS', 'PORT').default(9443).argParser(integer(0, 65_535)),
    option('--admin-address <address>', 'of /livez, /readyz and /metrics, HOST:PORT or :PORT', 'ADMIN_ADDRESS')
      .default({ host: '::', port: 9471 }, ':9471')
      .argParser(address),
    option('--namespace <name>', 'of the injector', 'NAMESPACE').default('pannier-system'),
    option('--service-name <name>', 'Service of the injector', 'SERVICE_NAME').default('pannier-injector'),
    option(
      '--webhook-configuration <name>',
      'MutatingWebhookConfiguration whose caBundles are kept',
      'WEBHOOK_CONFIGURATION',
    ).default('pannier-injector'),
    option('--certificates <mode>', 'self: made here; files: mounted', 'CERTIFICATES')
      .default('self')
      .choices(['self', 'files']),
    option('--ca-secret <name>', 'Secret of the CA, made when it is not there', 'CA_SECRET').default(
      'pannier-injector-ca',
    ),
    option('--ca-lifetime-ms <ms>', 'lifetime of the CA; renewed at two thirds', 'CA_LIFETIME_MS')
      .default(90 * DAY_MS)
      .argParser(integer(LIFETIME_MS.min, LIFETIME_MS.max)),
    option(
      '--serving-certificate-lifetime-ms <ms>',
      'lifetime of the serving certificates; renewed at two thirds',
      'SERVING_CERTIFICATE_LIFETIME_MS',
    )
      .default(DAY_MS)
      .argParser(integer(LIFETIME_MS.min, LIFETIME_MS.max)),
    option('--certificate-file <file>', 'for --certificates files', 'CERTIFICATE_FILE'),
    option('--key-file <file>', 'for --certificates files', 'KEY_FILE'),
    option(
      '--ca-file <file>',
      'CA for --certificates files, added to the caBundles; without it they are not changed',
      'CA_FILE',
    ),
    option('--drain-delay-ms <ms>', 'how long it keeps answering after SIGTERM, at least', 'DRAIN_DELAY_MS')
      .default(5_000)
      .argParser(integer(0, 600_000)),
    new Option('--log-level <level>', 'of the log').env('PANNIER_LOG_LEVEL').default('info').choices(LOG_LEVELS),
  ];
  for (const each of options) {
    command.addOption(each);
  }
  return command.action(async (flags: Flags) => {
    await webhook(flags);
  });
}

function option(flags: string, description: string, environment: string): Option {
  return new Option(flags, description).env(`PANNIER_WEBHOOK_${environment}`);
}

async function webhook(flags: Flags): Promise<void> {
  const config = readConfig(flags.config);
  const certificates = certificateOptions(flags);
  if (config === undefined || certificates === undefined) {
    process.exitCode = 2;
    return;
  }
  const log = createLog(flags.logLevel);
  const signalled = nextStopSignal();
  let injector: Injector | undefined;
  try {
    const starting = startInjector({
      config,
      certificates,
      clients: apiClients(),
      address: { host: '::', port: flags.port },
      adminAddress: flags.adminAddress,
      namespace: flags.namespace,
      serviceName: flags.serviceName,
      configurationName: flags.webhookConfiguration,
      log,
    });
    // Without a cluster it never gets a certificate, and must end all the same.
    injector = await Promise.race([starting, signalled.then(() => undefined)]);
  } catch (error) {
    process.stderr.write(`pannier: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  if (injector !== undefined) {
    log.info({ port: injector.port, adminPort: injector.adminPort, version: VERSION }, 'serving');
    log.info({ signal: await signalled, delayMs: flags.drainDelayMs }, 'draining');
    await injector.drain(flags.drainDelayMs);
    log.info({}, 'drained');
  }
  process.exit(0);
}

/** Undefined when the file has mistakes, which are printed. */
function readConfig(path: string): SidecarConfig | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error;
    process.stderr.write(`cannot read ${path} (--config): ${code}, wanted a file that can be read\n`);
    return undefined;
  }
  const result = parseSidecarConfig(text);
  if ('problems' in result) {
    for (const { line, column, message } of result.problems) {
      process.stderr.write(`${path}:${line}:${column}: ${message}\n`);
    }
    return undefined;
  }
  return result.config;
}

/** Undefined when options do not fit together, which is printed. */
function certificateOptions(flags: Flags): InjectorOptions['certificates'] | undefined {
  if (flags.certificates === 'files') {
    const { certificateFile, keyFile, caFile } = flags;
    if (certificateFile === undefined || keyFile === undefined) {
      process.stderr.write('cannot serve: --certificates is files, wanted --certificate-file and --key-file too\n');
      return undefined;
    }
    const files = { certificateFile, keyFile, ...(caFile === undefined ? {} : { caFile }) };
    return { kind: 'files', ...files };
  }
  if (flags.servingCertificateLifetimeMs > flags.caLifetimeMs) {
    process.stderr.write(
      `cannot serve: --serving-certificate-lifetime-ms is ${flags.servingCertificateLifetimeMs}, wanted at most --ca-lifetime-ms, ${flags.caLifetimeMs}\n`,
    );
    return undefined;
  }
  return {
    kind: 'self',
    secretName: flags.caSecret,
    caLifetimeMs: flags.caLifetimeMs,
    servingCertificateLifetimeMs: flags.servingCertificateLifetimeMs,
  };
}

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Wanted a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

function address(text: string): Address {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new InvalidArgumentError('Wanted HOST:PORT, or :PORT for all interfaces.');
  }
  return { host: match[1] ?? (match[2] || '::'), port };
}
