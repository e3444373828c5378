/**
 * Models near-cache fills that the sidecar rejects although their key did not change. The sidecar rejects such a fill if the bucket changed more
 * often during the load than the ring of the bucket can record.
 */

export interface LayoutPlan {
  readonly buckets: number;
  /** Whether the tags of a namespace use the buckets of its keys. */
  readonly areTagsShared: boolean;
}

export interface Load {
  readonly plan: LayoutPlan;
  /** Writes per second in the whole namespace, distributed over all of its keys. */
  readonly writesPerSecond: number;
  readonly loadSeconds: number;
  readonly ringSize: number;
}

const SIMULATED_FILLS = 20_000;

/** Computes the share of rejected fills with the Poisson distribution and with a simulation. */
export function share(load: Load): { formula: number; simulated: number } {
  const mean = (load.writesPerSecond * load.loadSeconds) / load.plan.buckets;
  return { formula: poissonAtLeast(load.ringSize, mean), simulated: simulate(load, mean) };
}

/** Returns the probability of at least `count` changes if `mean` changes are expected. */
function poissonAtLeast(count: number, mean: number): number {
  let below = 0;
  let logProbability = -mean;
  for (let number = 0; number < count; number += 1) {
    below += Math.exp(logProbability);
    logProbability += Math.log(mean) - Math.log(number + 1);
  }
  return Math.max(0, 1 - below);
}

function simulate(load: Load, mean: number): number {
  let refused = 0;
  for (let fill = 0; fill < SIMULATED_FILLS; fill += 1) {
    let changes = 0;
    // Times are fractions of the duration of the load. `pause` returns the time between two changes to the bucket.
    for (let time = pause(mean); time < 1 && changes < load.ringSize; time += pause(mean)) {
      changes += 1;
    }
    refused += changes >= load.ringSize ? 1 : 0;
  }
  return refused / SIMULATED_FILLS;
}

function pause(mean: number): number {
  return -Math.log(1 - Math.random()) / mean;
}
