/** Certificates as a chart or cert-manager would make them, by openssl. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Signed by itself, so its own authority; by default for `localhost` and 127.0.0.1. */
export function certificate(folder: string, name: string, hosts = ['DNS:localhost', 'IP:127.0.0.1']): Certificate {
  const certFile = join(folder, `${name}.crt`);
  const keyFile = join(folder, `${name}.key`);
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      .concat(['-subj', `/CN=${name}`, '-addext', `subjectAltName=${hosts.join(',')}`])
      .concat(['-keyout', keyFile, '-out', certFile]),
    { stdio: 'pipe' },
  );
  return { certFile, keyFile };
}
