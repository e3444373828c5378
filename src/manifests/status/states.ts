/**
 * Table of the states that `pannier injection status` reports. The help of the command and the reference page list the
 * states in this order.
 */
interface StateDescription {
  readonly name: string;
  readonly meaning: string;
  readonly remedy: string;
}

/** States from worst to best. The state of a workload is the worst state among its pods and its pod template. */
export const STATES = [
  {
    name: 'missing',
    meaning: 'The pod requests a sidecar but does not have one.',
    remedy: 'Restart the workload, or delete the pods.',
  },
  {
    name: 'refused',
    meaning:
      'Pods of the workload cannot be created, or the next pod would be refused because of errors in its annotations.',
    remedy: 'Correct the errors that are printed below the table.',
  },
  {
    name: 'no-pods',
    meaning: 'The workload should have pods but has none, and no event says why.',
    remedy: 'Wait if the workload was created or restarted seconds ago. Otherwise run `kubectl describe`.',
  },
  {
    name: 'not-requested',
    meaning: 'The pod has a sidecar but no longer requests one.',
    remedy: 'Restart the workload.',
  },
  {
    name: 'other-configuration',
    meaning: 'The sidecar was injected with another configuration or other annotations.',
    remedy: 'Restart the workload.',
  },
  {
    name: 'other-version',
    meaning: 'The sidecar was injected by another version of Pannier than this program.',
    remedy: 'Restart the workload.',
  },
  {
    name: 'current',
    meaning: 'The sidecar is equal to the sidecar that a new pod would get.',
    remedy: 'Nothing.',
  },
] as const satisfies readonly StateDescription[];

export type State = (typeof STATES)[number]['name'];

/** Returns the worst of the states, or `current` if there are none. */
export function worstOf(states: readonly State[]): State {
  return STATES.find(({ name }) => states.includes(name))?.name ?? 'current';
}
