/**
 * `pannier serve`: runs the sidecar until SIGTERM or SIGINT, then drains. A second signal ends the process immediately.
 *
 * Exits with 0 after it has drained, and with 1 if the start failed, for example because an address is in use. Exits
 * with 2 if the settings, a file that they name, or the policy file has errors, and prints every error. A policy file that
 * is optional never prevents the start.
 */
import { Command } from 'commander';
import { type App, startApp } from '../app/app.ts';
import { loadSettings, type Settings } from '../config/load.ts';
import { policyProblemText } from '../config/policies.ts';
import type { PolicyFile, PolicySource } from '../config/policy-file.ts';
import { defaultPolicySource, type PolicyWatchResult, watchPolicyFile } from '../config/policy-watch.ts';
import { findFileProblems } from '../config/setting-files.ts';
import { settingsHelp } from '../config/settings-reference.ts';
import { createInstanceId } from '../lib/instance-id.ts';
import type { Logger } from '../lib/logger.ts';
import { VERSION } from '../lib/version.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { SERVER_CODES } from '../redis/server-error.ts';
import { nextStopSignal } from './stop-signal.ts';

/** Default address of `pannier call`. */
const DEFAULT_CALL_ADDRESS = '127.0.0.1:9470';
/** Maximum delay of the start by a large policy file. The startup probe of an injected sidecar allows 30 s. */
const MAX_POLICY_START_MS = 10_000;

export function serveCommand(): Command {
  return new Command('serve')
    .description('Run the sidecar. Environment variables configure it.')
    .option('--hints', 'print example calls once the sidecar is ready')
    .addHelpText(
      'after',
      `\nExamples:\n  pannier serve --hints\n  PANNIER_REDIS_URL=redis://127.0.0.1:6379 pannier serve\n\n${settingsHelp()}`,
    )
    .action(async (options: { hints?: boolean }) => {
      await serve(options.hints === true);
    });
}

async function serve(withHints: boolean): Promise<void> {
  const loaded = loadSettings(process.env);
  if ('problems' in loaded) {
    complain(loaded.problems.map((problem) => problem.message));
    return;
  }
  const { settings } = loaded;
  const fileProblems = findFileProblems(settings);
  if (fileProblems.length > 0) {
    complain(fileProblems.map((problem) => problem.message));
    return;
  }
  const log = createLog(settings.logLevel);
  const instance = createInstanceId();
  const metrics = createMetrics({ version: VERSION, instance, redisCodes: SERVER_CODES });
  guardProcess(log);

  let app: App | undefined;
  const policies = await openPolicies(settings, log, metrics, (file) => app?.onPolicies(file));
  if (policies === undefined) {
    return;
  }
  const signalled = nextStopSignal();
  try {
    app = await startApp({ settings, policies, log, metrics, instance });
  } catch (error) {
    process.stderr.write(`pannier: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
    return;
  }
  log.info({ ...app.addresses, store: app.store, version: VERSION, instance }, 'serving');
  if (withHints) {
    process.stderr.write(hints(app.addresses));
  }

  const signal = await signalled;
  log.info({ signal, timeoutMs: settings.drainTimeoutMs }, 'draining');
  await app.drain();
  log.info({}, 'drained');
  process.exit(0);
}

/** Returns the policy source. If the policy file has errors, prints them and returns undefined. */
async function openPolicies(
  settings: Settings,
  log: Logger,
  metrics: Metrics,
  onReloaded: (file: PolicyFile) => void,
): Promise<PolicySource | undefined> {
  const path = settings.policyFile;
  if (path === undefined) {
    return defaultPolicySource;
  }
  let result: PolicyWatchResult;
  try {
    result = watchPolicyFile({
      path,
      isOptional: settings.policyFileOptional,
      log,
      onReload: (outcome, file) => {
        metrics.policyReload(outcome);
        onReloaded(file);
      },
    });
  } catch (error) {
    complain([error instanceof Error ? error.message : String(error)]);
    return undefined;
  }
  if ('problems' in result) {
    complain(result.problems.map((problem) => policyProblemText(path, problem)));
    return undefined;
  }
  await result.watch.waitForStart(MAX_POLICY_START_MS);
  return result.watch;
}

function complain(messages: readonly string[]): void {
  for (const message of messages) {
    process.stderr.write(`${message}\n`);
  }
  process.exitCode = 2;
}

/**
 * Logs unhandled rejections and keeps serving, because a bug in Pannier or in a library that causes such a rejection
 * affects only one call. For example, node-redis has such a bug in its code for resubscribing. An uncaught exception
 * ends the process, because the state of the process is then unknown.
 */
function guardProcess(log: Logger): void {
  process.on('unhandledRejection', (reason) => {
    log.error(
      { err: reason instanceof Error ? { name: reason.name, stack: stackOf(reason) } : {} },
      'unhandled promise rejection',
    );
  });
  process.on('uncaughtException', (error) => {
    log.error({ err: { name: error.name, stack: stackOf(error) } }, 'uncaught exception, exiting');
    process.exit(1);
  });
}

/** Returns the stack frames without the message, because the message of a library may contain user data. */
function stackOf(error: Error): string {
  const lines = (error.stack ?? '').split('\n');
  return lines.filter((line) => /^\s+at /.test(line)).join('\n');
}

function hints({ grpc, socket, admin }: App['addresses']): string {
  const where = grpc === 'none' ? `unix:${socket}` : grpc;
  const health = admin === 'none' ? '' : ` (health and metrics on http://${admin})`;
  const call = `bin/pannier call${where === DEFAULT_CALL_ADDRESS ? '' : ` --address ${where}`}`;
  return `
pannier is serving on ${where}${health}. Try in another shell:

  ${call} CheckRateLimit '{"key": "ada", "limits": [{"name": "minute", "algorithm": "ALGORITHM_TOKEN_BUCKET", "limit": 5, "windowMs": 60000}]}'
  ${call} CreateSession '{"userId": "ada"}'
  ${call} --text CacheSet '{"key": "greeting", "value": "hello"}'
  ${call} --text CacheGet '{"key": "greeting"}'
  ${call} --list

Press Ctrl-C to stop. Set PANNIER_REDIS_URL=redis://HOST:PORT to share limits, sessions and cache between sidecars.

`;
}
