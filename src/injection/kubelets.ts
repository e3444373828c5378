/**
 * Determines whether all kubelets of a cluster support native sidecars (init containers with `restartPolicy: Always`).
 *
 * Kubernetes 1.29 and later enable native sidecars by default. An older kubelet would wait forever for the sidecar to
 * exit.
 */

export interface Kubelets {
  /**
   * Minor version of Kubernetes 1; undefined if the kubelets are unknown, for example if the pod comes from a file.
   * This module assumes that unknown kubelets support native sidecars.
   */
  readonly oldestMinor: number | undefined;
}

const NATIVE_SIDECAR_MINOR = 29;

/**
 * Finds the oldest kubelet version of the nodes (`status.nodeInfo.kubeletVersion`). Ignores versions in another format,
 * such as those of virtual kubelets.
 */
export function kubeletsOf(versions: Iterable<string>): Kubelets {
  let oldestMinor: number | undefined;
  for (const version of versions) {
    const match = /^v?1\.(\d{1,4})\./.exec(version);
    if (match !== null) {
      oldestMinor = Math.min(oldestMinor ?? Number.POSITIVE_INFINITY, Number(match[1]));
    }
  }
  return { oldestMinor };
}

export function runsNativeSidecars(kubelets: Kubelets): boolean {
  return kubelets.oldestMinor === undefined || kubelets.oldestMinor >= NATIVE_SIDECAR_MINOR;
}
