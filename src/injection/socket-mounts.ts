/**
 * Finds mounts of a container that would hide or contain the directory of the sidecar's socket.
 *
 * The kubelet creates the mount point /run/pannier inside such a mount. This fails if the mount is read-only, and it
 * leaves a directory on a node or a network volume if the mount is writable. Only an emptyDir volume at /run is
 * harmless, and many images need one. The templates of the same names in the chart make the same decisions in CEL.
 */
import type { Container, Volume, VolumeMount } from './pod.ts';
import { SOCKET_DIRECTORY, SOCKET_VOLUME } from './sidecar.ts';

/** Separator of path segments, which may repeat and contain segments named `.`. */
const SEPARATOR = '(/+[.])*/+';
const END = '(/+[.])*/*$';
/** Matches /run/pannier in any notation. The check adds a slash at the start, because the path may be relative. */
export const SOCKET_DIRECTORY_PATTERN = `^${SEPARATOR}run${SEPARATOR}pannier${END}`;
/** Matches /, /run, /var/run and the directory of the socket, below both names of /run. */
export const SOCKET_PARENT_PATTERN = `^${END}|^${SEPARATOR}(var${SEPARATOR})?run(${SEPARATOR}pannier)?${END}`;
/** Matches /run and /var/run. */
export const RUN_DIRECTORY_PATTERN = `^${SEPARATOR}(var${SEPARATOR})?run${END}`;

const SOCKET_DIRECTORY_FORM = new RegExp(SOCKET_DIRECTORY_PATTERN);
const SOCKET_PARENT_FORM = new RegExp(SOCKET_PARENT_PATTERN);
const RUN_DIRECTORY_FORM = new RegExp(RUN_DIRECTORY_PATTERN);

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

/** Returns whether the volume is an emptyDir. The API server makes a volume without a source an emptyDir. */
function isEmptyDir(volume: Volume): boolean {
  const sources = Object.keys(volume).filter((key) => key !== 'name' && (volume[key] ?? undefined) !== undefined);
  return sources.every((key) => key === 'emptyDir');
}

/** Describes the place of a mount in an error. */
export function placeOf(mountPath: string): string {
  return isSocketDirectory(mountPath) ? SOCKET_DIRECTORY : `${mountPath}, which contains ${SOCKET_DIRECTORY}`;
}
