/**
 * Targets for the cost of a decision in Redis, as ratios of operations in one run. A verdict states whether a run meets a target.
 */
import type { LoadName } from './load.ts';
import { EVALSHA_SET, INCRBY_EXPIRE, limitsName } from './operations.ts';
import type { Results, Spread } from './results.ts';

interface Goal {
  readonly operation: string;
  readonly to: string;
  readonly load: LoadName;
  readonly max: number;
}

const CHEAPEST = ['fixed_window', 'token_bucket'] as const;

const GOALS: readonly Goal[] = CHEAPEST.flatMap((algorithm): Goal[] => {
  const one = limitsName(algorithm, 1);
  return [
    { operation: one, to: EVALSHA_SET, load: 'saturated', max: 1.8 },
    { operation: one, to: INCRBY_EXPIRE, load: 'open', max: 1.35 },
    { operation: limitsName(algorithm, 4), to: one, load: 'saturated', max: 1.6 },
  ];
});

export interface Verdict extends Goal {
  readonly ratio: Spread | undefined;
  readonly outcome: 'met' | 'NOT MET' | 'NOT MEASURED';
}

export function judge(results: Results): Verdict[] {
  return GOALS.map((goal) => {
    const ratio = results.ratio(goal.operation, goal.to, goal.load);
    if (ratio === undefined) {
      return { ...goal, ratio, outcome: 'NOT MEASURED' };
    }
    return { ...goal, ratio, outcome: ratio.value <= goal.max ? 'met' : 'NOT MET' };
  });
}
