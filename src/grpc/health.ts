/**
 * Serves grpc.health.v1 as an ordinary service of the method table.
 *
 *   1. The empty name and every service of the contract have the same status, which `setServing` sets.
 *   2. For an unknown service, Check returns NOT_FOUND, and Watch sends SERVICE_UNKNOWN and stays open, as the protocol
 *      requires.
 *   3. Watch sends the status at once and after every change. A caller that reads slowly receives only the latest
 *      status.
 */
import { readContract } from './descriptors.ts';
import type { HealthCheckRequestOutput } from './generated/grpc/health/v1/HealthCheckRequest.ts';
import type { HealthCheckResponse } from './generated/grpc/health/v1/HealthCheckResponse.ts';
import type { CallContext, ResponseStream } from './method.ts';
import type { Service } from './service-table.ts';
import { Status, StatusError } from './status.ts';

const ServingStatus = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;

export interface HealthService extends Service {
  /** Sets the status of all services. The initial status is NOT_SERVING. */
  setServing(isServing: boolean): void;
}

export function createHealthService(): HealthService {
  let serving = false;
  const watchers = new Set<() => void>();

  function statusOf(service: string): 1 | 2 | undefined {
    if (service !== '' && !readContract().services.has(service)) {
      return undefined;
    }
    return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  function check(request: HealthCheckRequestOutput): HealthCheckResponse {
    const status = statusOf(request.service);
    if (status === undefined) {
      const text =
        'cannot check the service: the contract has no service of this name; use a name that reflection lists';
      throw new StatusError(Status.NOT_FOUND, text);
    }
    return { status };
  }

  async function watch(
    request: HealthCheckRequestOutput,
    context: CallContext,
    responses: ResponseStream<HealthCheckResponse>,
  ): Promise<void> {
    let reported: number | undefined;
    let wake = (): void => {};
    const onChange = (): void => wake();
    watchers.add(onChange);
    context.onOver(() => {
      watchers.delete(onChange);
      wake();
    });
    while (!context.isOver()) {
      const status = statusOf(request.service) ?? ServingStatus.SERVICE_UNKNOWN;
      if (status !== reported) {
        reported = status;
        if (!responses.send({ status })) {
          await responses.writable();
        }
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  return {
    name: 'grpc.health.v1.Health',
    handlers: { Check: check, Watch: watch },
    close: () => undefined,
    setServing(isServing: boolean): void {
      serving = isServing;
      for (const onChange of watchers) {
        onChange();
      }
    },
  };
}
