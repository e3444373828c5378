/**
 * Tests the name for which the certificate of a server is verified, and the setting that is suggested after a TLS
 * error.
 */
import { createAddressMap, NO_ADDRESS_MAP } from './address-map.ts';
import { tlsHint, tlsOptions } from './tls.ts';

const NO_FILES = { ca: undefined, clientPair: undefined };
const MAP = createAddressMap([
  { announced: { host: '10.0.0.5', port: undefined }, reachable: { host: 'redis-0.example', port: undefined } },
  { announced: { host: '10.0.0.6', port: undefined }, reachable: { host: '10.1.0.6', port: undefined } },
]);

test.each([
  ['redis-0.example', 'redis.example', 'redis-0.example', 'the host to which the map leads'],
  ['10.1.0.6', 'redis.example', 'redis.example', 'the setting, because the map leads to an IP address'],
  ['10.1.0.6', undefined, undefined, 'the address itself, because there is no setting'],
  ['seed.example', 'redis.example', 'redis.example', 'the setting, because the map does not apply'],
])('verifies %s with the setting %s as %s: %s', (host, serverName, servername, _) => {
  const options = tlsOptions({ host, port: 1 }, NO_FILES, { addressMap: MAP, serverName });
  expect(options).toEqual({ tls: true, ...(servername === undefined ? {} : { servername }) });
});

test('passes on the CA and the client pair', () => {
  const [ca, cert, key] = ['ca', 'cert', 'key'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
  const names = { addressMap: NO_ADDRESS_MAP, serverName: undefined };
  expect(tlsOptions({ host: 'h', port: 1 }, { ca, clientPair: { cert, key } }, names)).toEqual({
    tls: true,
    ca,
    cert,
    key,
  });
});

test.each([
  ['SELF_SIGNED_CERT_IN_CHAIN', 'PANNIER_REDIS_TLS_CA_FILE'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'PANNIER_REDIS_TLS_CERT_FILE'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'PANNIER_REDIS_TLS_SERVER_NAME'],
])('suggests for %s the setting %s', (code, setting) => {
  expect(tlsHint(Object.assign(new Error('x'), { code }))).toContain(setting);
});

test('suggests nothing for other errors', () => {
  expect([tlsHint(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })), tlsHint(undefined)]).toEqual([
    undefined,
    undefined,
  ]);
});
