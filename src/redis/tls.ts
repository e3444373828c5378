/**
 * Builds the TLS options of a connection, and suggests a setting when a TLS connection fails. Pure.
 *
 * Invariants:
 *   1. The server's certificate is always verified: its chain against the CA, and its names against the server name.
 *   2. The server name, which is also sent as SNI, is the host of the address if the address map maps other addresses
 *      to that host. Otherwise, the server name is the value of PANNIER_REDIS_TLS_SERVER_NAME, or the host of the
 *      address if this setting is unset. An IP address is verified but never sent as SNI.
 */
import { isIP } from 'node:net';
import { systemCodeOf } from '../lib/system-code.ts';
import type { NodeAddress } from './address.ts';
import type { AddressMap } from './address-map.ts';

export interface TlsFiles {
  /** CA certificates (PEM) with which server certificates are verified. If undefined, Node's list of CAs is used. */
  readonly ca: Buffer | undefined;
  /** Client certificate with its chain, and the private key (both PEM). */
  readonly clientPair: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}

/** Returns the TLS files. Each connection calls this function, so rotated files take effect without a restart. */
export type TlsFilesSource = () => Promise<TlsFiles>;

export interface TlsNames {
  readonly addressMap: AddressMap;
  /** Name in PANNIER_REDIS_TLS_SERVER_NAME. */
  readonly serverName: string | undefined;
}

export interface TlsOptions {
  readonly tls: true;
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
}

export function tlsOptions(address: NodeAddress, files: TlsFiles, names: TlsNames): TlsOptions {
  const servername = serverName(address, names);
  return {
    tls: true,
    ...(files.ca === undefined ? {} : { ca: files.ca }),
    ...files.clientPair,
    ...(servername === undefined ? {} : { servername }),
  };
}

/** Returns the server name to verify. If the result is undefined, Node verifies the host of the address. */
function serverName({ host }: NodeAddress, { addressMap, serverName }: TlsNames): string | undefined {
  const isNamedByMap = addressMap.targetHosts.has(host) && isIP(host) === 0;
  return isNamedByMap ? host : serverName;
}

const CA_HINT = 'PANNIER_REDIS_TLS_CA_FILE must hold the CA that signed the certificate of the server';
const CLIENT_HINT =
  'the server requires a client certificate; set PANNIER_REDIS_TLS_CERT_FILE and PANNIER_REDIS_TLS_KEY_FILE';

const HINTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: CA_HINT,
  SELF_SIGNED_CERT_IN_CHAIN: CA_HINT,
  UNABLE_TO_GET_ISSUER_CERT: CA_HINT,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: CA_HINT,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: CA_HINT,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: CLIENT_HINT,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the server does not trust the CA of PANNIER_REDIS_TLS_CERT_FILE',
};

/**
 * Returns the setting that may solve the problem; undefined if there is none. The error text may be logged, because
 * names of hosts and certificates are not secret.
 */
export function tlsHint(error: unknown): string | undefined {
  const code = systemCodeOf(error) ?? '';
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? nameHint(error as NameError) : HINTS[code];
}

interface NameError {
  readonly host?: string;
  readonly cert?: { readonly subjectaltname?: string };
}

function nameHint({ host, cert }: NameError): string {
  const found = `the certificate is for ${cert?.subjectaltname ?? 'no name'}, not for ${host ?? 'this host'}`;
  return `${found}; set PANNIER_REDIS_TLS_SERVER_NAME, or map the address to a name of the certificate in PANNIER_REDIS_ADDRESS_MAP`;
}
