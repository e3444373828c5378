/**
 * Tests which pods select Windows. test/kubernetes/placement.test.ts applies the same table to the admission policy.
 */
import { WINDOWS_CASES } from '../../test/support/kubernetes/placement-pods.ts';
import { windowsField } from './windows.ts';

test.each(WINDOWS_CASES)('$name selects Windows by $field', ({ spec, field }) => {
  expect(windowsField(spec)).toBe(field);
});

test.each([
  { affinity: 'windows' },
  { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] } } },
  { securityContext: null },
])('does not fail on the malformed pod %j', (spec) => {
  expect(windowsField(spec)).toBeUndefined();
});
