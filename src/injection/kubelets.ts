/**
 * How old the kubelets of a cluster are: whether a native sidecar (an init container with restartPolicy Always) works on all nodes.
 *
 * Native sidecars are on by default from 1.29 on; an older kubelet would wait for the sidecar to end, for ever.
 */

/** Minor versions of Kubernetes 1; undefined where nobody knows (a file, offline): taken as new enough. */
export interface Kubelets {
  readonly oldestMinor: number | undefined;
}

const NATIVE_SIDECAR_MINOR = 29;

/** Of every node's status.nodeInfo.kubeletVersion; a version that cannot be read (a virtual kubelet's) says nothing. */
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
