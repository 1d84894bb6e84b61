/** Addresses that give credentials of the machine to whoever asks, in every spelling. */

const METADATA_NAMES = new Set([
  'metadata.google.internal',
  'metadata',
  'instance-data',
  'instance-data.ec2.internal',
  'metadata.azure.com',
  'metadata.packet.net',
  'kubernetes.default.svc',
]);
/** 169.254.169.254 (AWS, GCP, Azure …), 169.254.170.2 (ECS), 100.100.100.200 (Alibaba), 192.0.0.192 (Oracle), 168.63.129.16 (Azure). */
const METADATA = new Set([
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
]);

/** Why this address must not be fetched without a look; null: it may. Takes what people write without `http://`, too. */
export function addressProblem(address: string): string | null {
  const text = address.trim();
  if (/^file:/i.test(text)) return null;
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(whole)) return null;
  const host = new URL(whole).hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
  if (host === 'kubernetes.default.svc') return null;
  const v4 =
    mapped(host) ??
    host
      .replace(/\.(nip|sslip|xip)\.io$/, '')
      .replace(/^.*?(\d+[.-]\d+[.-]\d+[.-]\d+)$/, '$1')
      .replaceAll('-', '.');
  const isMetadata =
    METADATA_NAMES.has(host) ||
    METADATA.has(host) ||
    METADATA.has(v4) ||
    /^fd00:ec2::(254|23)$/.test(host) ||
    host === 'fe80::a9fe:a9fe';
  return isMetadata ? `asks ${host}, which gives away the credentials of this machine` : null;
}

/** IPv4 inside of IPv6. */
function mapped(host: string): string | null {
  const found = /^(?:::ffff:|64:ff9b::|::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host);
  if (!found) return null;
  const [high, low] = [Number.parseInt(found[1] ?? '', 16), Number.parseInt(found[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
