/**
 * Tests the quality-of-service class of a pod. The tests in test/kubernetes compare the same pods with the API server.
 */
import { QUALITY_OF_SERVICE } from '../../test/support/kubernetes/resource-pods.ts';
import { qualityOfService } from './quality-of-service.ts';

test.each(QUALITY_OF_SERVICE)('a pod with %s', (_name, pod, expected) => {
  expect(qualityOfService(pod)).toBe(expected);
});
