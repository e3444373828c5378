/**
 * grpc.health.v1 as ordinary rows of the method table.
 *
 * One truth for the whole server (`setServing`), answered for the empty name and for every service of the contract; an
 * unknown service is NOT_FOUND to Check and SERVICE_UNKNOWN to Watch, which stays open, as the protocol wants it.
 * A watcher is told the status at once and at every change; changes that come faster than it reads are told as the last.
 */
import { readContract } from './descriptors.ts';
import type { HealthCheckRequestOutput } from './generated/grpc/health/v1/HealthCheckRequest.ts';
import type { HealthCheckResponse } from './generated/grpc/health/v1/HealthCheckResponse.ts';
import type { CallContext, ResponseStream } from './method.ts';
import type { Service } from './service-table.ts';
import { Status, StatusError } from './status.ts';

const ServingStatus = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;

export interface HealthService extends Service {
  /** False from the start on, until somebody says otherwise. */
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
        'cannot check the service: the contract has no service of this name, wanted one that reflection lists';
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
