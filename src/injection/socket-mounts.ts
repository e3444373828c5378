/**
 * Finds mounts of a container that would hide or contain the directory of the sidecar's socket.
 *
 * The kubelet creates the mount point /run/pannier inside such a mount. This fails if the mount is read-only, and it
 * leaves a directory on a node or a network volume if the mount is writable. Only an emptyDir volume at /run is
 * harmless, and many images need one. The chart contains the same expressions (_placement.tpl).
 */
import type { Container, Volume, VolumeMount } from './pod.ts';
import { SOCKET_DIRECTORY, SOCKET_VOLUME } from './sidecar.ts';

/** Separator of path segments, which may repeat and contain segments named `.`. */
const SEPARATOR = '(/+[.])*/+';
const END = '(/+[.])*/*$';
/** Matches /run/pannier in any notation. Each check adds a slash at the start, because a path may be relative. */
const SOCKET_DIRECTORY_FORM = new RegExp(`^${SEPARATOR}run${SEPARATOR}pannier${END}`);
/** Matches /, /run, /var/run and the directory of the socket, below both names of /run. */
const SOCKET_PARENT_FORM = new RegExp(`^${END}|^${SEPARATOR}(var${SEPARATOR})?run(${SEPARATOR}pannier)?${END}`);
/** Matches /run and /var/run. */
const RUN_DIRECTORY_FORM = new RegExp(`^${SEPARATOR}(var${SEPARATOR})?run${END}`);

/** Returns whether the path is the directory of the socket, in any notation. */
export function isSocketDirectory(path: string): boolean {
  return SOCKET_DIRECTORY_FORM.test(`/${path}`);
}

/** Returns the first mount of the container that conflicts with the mount of the socket. */
export function socketConflict(container: Container, volumes: readonly Volume[]): VolumeMount | undefined {
  return container.volumeMounts?.find((mount) => {
    if (mount.name === SOCKET_VOLUME || !SOCKET_PARENT_FORM.test(`/${mount.mountPath}`)) {
      return false;
    }
    const volume = volumes.find(({ name }) => name === mount.name);
    const isWritableEmptyDir = volume !== undefined && isEmptyDir(volume) && mount.readOnly !== true;
    return !(isWritableEmptyDir && RUN_DIRECTORY_FORM.test(`/${mount.mountPath}`));
  });
}

/** Returns whether the volume is an emptyDir, which the API server also makes of a volume without a source. */
function isEmptyDir({ name: _name, ...sources }: Volume): boolean {
  return Object.entries(sources).every(([kind, source]) => kind === 'emptyDir' || source === null);
}

/** Describes the place of a mount in an error. */
export function placeOf(mountPath: string): string {
  return isSocketDirectory(mountPath) ? SOCKET_DIRECTORY : `${mountPath}, which contains ${SOCKET_DIRECTORY}`;
}
