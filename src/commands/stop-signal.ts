/**
 * The signal that asks a serving command to end.
 */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Resolves with the first of them. From then on both end the process at once, as they do by default. */
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
