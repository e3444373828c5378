/**
 * `pannier webhook`: runs the injector until SIGTERM or SIGINT, then drains. A second signal ends the process
 * immediately.
 *
 * Exits with 0 after it has drained, and with 1 if the start failed, for example because a port is in use or no cluster
 * is configured. Exits with 2 if the command line or the configuration file is invalid, and prints every error.
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
    'Run the injector: the admission webhooks that add the sidecar to pods. Environment variables can set every option.',
  );
  const options = [
    option('--config <file>', 'path to the sidecar configuration file', 'CONFIG').default('/etc/pannier/injector.yaml'),
    option('--port <port>', 'HTTPS port of the webhooks', 'PORT').default(9443).argParser(integer(0, 65_535)),
    option(
      '--admin-address <address>',
      'listen address of /livez, /readyz and /metrics, HOST:PORT or :PORT',
      'ADMIN_ADDRESS',
    )
      .default({ host: '::', port: 9471 }, ':9471')
      .argParser(address),
    option('--namespace <name>', 'namespace the injector runs in', 'NAMESPACE').default('pannier-system'),
    option('--service-name <name>', 'name of the Service of the injector', 'SERVICE_NAME').default('pannier-injector'),
    option(
      '--webhook-configuration <name>',
      'name of the MutatingWebhookConfiguration whose caBundles the injector keeps up to date',
      'WEBHOOK_CONFIGURATION',
    ).default('pannier-injector'),
    option(
      '--certificates <mode>',
      'source of the certificates: the injector issues them (self) or they are mounted (files)',
      'CERTIFICATES',
    )
      .default('self')
      .choices(['self', 'files']),
    option(
      '--ca-secret <name>',
      'name of the Secret that holds the CA; created if it does not exist',
      'CA_SECRET',
    ).default('pannier-injector-ca'),
    option('--ca-lifetime-ms <ms>', 'lifetime of the CA in ms; it is renewed after two thirds', 'CA_LIFETIME_MS')
      .default(90 * DAY_MS)
      .argParser(integer(LIFETIME_MS.min, LIFETIME_MS.max)),
    option(
      '--serving-certificate-lifetime-ms <ms>',
      'lifetime of the serving certificates in ms; they are renewed after two thirds',
      'SERVING_CERTIFICATE_LIFETIME_MS',
    )
      .default(DAY_MS)
      .argParser(integer(LIFETIME_MS.min, LIFETIME_MS.max)),
    option(
      '--certificate-file <file>',
      'path to the serving certificate, for --certificates files',
      'CERTIFICATE_FILE',
    ),
    option('--key-file <file>', 'path to its private key, for --certificates files', 'KEY_FILE'),
    option(
      '--ca-file <file>',
      'path to the CA that the injector adds to the caBundles, for --certificates files (default: caBundles stay unchanged)',
      'CA_FILE',
    ),
    option('--drain-delay-ms <ms>', 'minimum time in ms to keep serving after SIGTERM', 'DRAIN_DELAY_MS')
      .default(5_000)
      .argParser(integer(0, 600_000)),
    new Option('--log-level <level>', 'lowest level that is logged')
      .env('PANNIER_LOG_LEVEL')
      .default('info')
      .choices(LOG_LEVELS),
  ];
  for (const each of options) {
    command.addOption(each);
  }
  command.addHelpText('after', '\nExample:\n  pannier webhook --config injector.yaml --namespace pannier-system');
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
    // If the cluster is unreachable, the injector never gets a certificate, but a signal must still end the process.
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

/** Reads the configuration. If the configuration has errors, prints them and returns undefined. */
function readConfig(path: string): SidecarConfig | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error;
    process.stderr.write(`cannot read ${path} (--config): ${code}; use a readable file\n`);
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

/**
 * Converts the certificate flags to options of the injector. If a required flag is missing or the flags contradict each
 * other, prints an error and returns undefined.
 */
function certificateOptions(flags: Flags): InjectorOptions['certificates'] | undefined {
  if (flags.certificates === 'files') {
    const { certificateFile, keyFile, caFile } = flags;
    if (certificateFile === undefined || keyFile === undefined) {
      process.stderr.write(
        'cannot use --certificates files: a file is missing; set --certificate-file and --key-file\n',
      );
      return undefined;
    }
    const files = { certificateFile, keyFile, ...(caFile === undefined ? {} : { caFile }) };
    return { kind: 'files', ...files };
  }
  if (flags.servingCertificateLifetimeMs > flags.caLifetimeMs) {
    process.stderr.write(
      `--serving-certificate-lifetime-ms must be at most --ca-lifetime-ms (${flags.caLifetimeMs}), got ${flags.servingCertificateLifetimeMs}\n`,
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
      throw new InvalidArgumentError(`must be an integer from ${min} to ${max}`);
    }
    return value;
  };
}

function address(text: string): Address {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new InvalidArgumentError('must be HOST:PORT, or :PORT for all interfaces');
  }
  return { host: match[1] ?? (match[2] || '::'), port };
}
