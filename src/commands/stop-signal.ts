/**
 * Waits for the signal that stops `serve` or `webhook`.
 */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Resolves with the first stop signal that the process receives. After the first signal, both signals have their
 * default effect again: they end the process immediately.
 */
export function nextStopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    function stop(signal: NodeJS.Signals): void {
      for (const each of STOP_SIGNALS) {
        process.removeListener(each, stop);
      }
      resolve(signal);
    }
    for (const each of STOP_SIGNALS) {
      process.on(each, stop);
    }
  });
}
