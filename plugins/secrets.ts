/** Secrets in the configurations of actions: how a schema marks them, how they are filled in and kept out of sight. */
import {
  checkConfig,
  errorText,
  type EventHookSpec,
  isObject,
  type Issue,
  type ObjectSchema,
  pointerKey,
  Type,
} from '#core';

/** What stands in a secret's place wherever it is shown or stored. An action that finds it has no secret. */
export const REDACTED = '[redacted]';

/** Values shorter than this are words that texts contain anyway. */
const MIN_CONCEALED_LENGTH = 8;

/**
 * Where the control plane finds a secret: a variable of its environment, a file, or a key of a Secret of the hook's namespace. A final
 * line break of the last two is no part of it.
 */
export type SecretReference =
  | { readonly env: string }
  | { readonly file: string }
  | { readonly secretRef: { readonly name: string; readonly key: string } };

export interface SecretOptions {
  readonly description: string;
  /** Of the value; references are not held to it before they are resolved. */
  readonly pattern?: string;
}

/** A property that holds a secret, or an object of them as the schema of a record: text, `{ env }`, `{ file }` or `{ secretRef }`. */
export function Secret(options: SecretOptions) {
  return Type.Unsafe<string | SecretReference>({
    type: ['string', 'object'],
    'x-secret': true,
    minLength: 1,
    properties: {
      env: { type: 'string', minLength: 1, description: "Variable of the control plane's environment." },
      file: { type: 'string', pattern: '^/', description: "File on the control plane's machine." },
      secretRef: {
        type: 'object',
        properties: {
          name: { type: 'string', pattern: '^[a-z0-9][a-z0-9.-]{0,252}$', description: 'Name of the Secret.' },
          key: { type: 'string', pattern: '^[-._a-zA-Z0-9]{1,253}$', description: 'Key in it.' },
        },
        required: ['name', 'key'],
        additionalProperties: false,
        description: "A Secret of the hook's namespace.",
      },
    },
    minProperties: 1,
    maxProperties: 1,
    additionalProperties: false,
    ...options,
  });
}

export interface ResolvedSecrets {
  /** References that could not be read, or whose value does not fit, are still references. */
  readonly spec: EventHookSpec;
  /** Pointers are inside the spec; never with a value. */
  readonly problems: readonly Issue[];
}

/**
 * Fills in the secrets of a spec right before it is sent; everything that people see is made from the unresolved one.
 * `read` throws when there is no such variable or file.
 */
export function resolveSecrets(
  spec: EventHookSpec,
  schemas: ReadonlyMap<string, ObjectSchema>,
  read: (reference: SecretReference) => string,
): ResolvedSecrets {
  const problems: Issue[] = [];
  const actions = spec.actions.map((action, index) => {
    const schema = schemas.get(action.type);
    if (!schema) return action;
    const path = `/actions/${index}/config`;
    const config = mapSecrets(schema, action.config, path, (secret, place) => {
      if (!isReference(secret)) return secret;
      try {
        const value = read(secret);
        return 'env' in secret ? value : value.replace(/\r?\n$/, '');
      } catch (error) {
        problems.push({ path: place, message: `secret cannot be read: ${errorText(error)}` });
        return secret;
      }
    });
    const { issues } = checkConfig(schema, config);
    problems.push(...issues.map((issue) => ({ ...issue, path: `${path}${issue.path}` })));
    return issues.length > 0 || !isObject(config) ? action : { ...action, config };
  });
  return { spec: { ...spec, actions }, problems };
}

/** A configuration as it may be shown and stored: `[redacted]` for each value; references say nothing and stay. */
export function redact(schema: ObjectSchema, config: unknown): unknown {
  return mapSecrets(schema, config, '', (secret) => (isReference(secret) ? secret : REDACTED));
}

/** Keys of a configuration that hold a secret, or an object of them. */
export function secretKeys({ properties }: ObjectSchema): string[] {
  const hasSecrets = (part: unknown): boolean => JSON.stringify(part).includes('"x-secret":true');
  return Object.entries(properties).flatMap(([key, part]) => (hasSecrets(part) ? [key] : []));
}

/** Pointers to the secrets that are not here: unresolved, or taken out before the configuration was stored. */
export function missingSecrets(schema: ObjectSchema, config: unknown): string[] {
  return secretsOf(schema, config).flatMap(({ path, value }) =>
    typeof value === 'string' && value !== REDACTED ? [] : [path],
  );
}

/** Takes the secrets of a configuration out of a text that came from outside: an echo of what was sent. */
export function concealer(schema: ObjectSchema, config: unknown): (text: string) => string {
  const values = secretsOf(schema, config)
    .map(({ value }) => value)
    .filter((value) => typeof value === 'string')
    .filter((value) => value.length >= MIN_CONCEALED_LENGTH);
  return (text) => values.reduce((left, value) => left.replaceAll(value, REDACTED), text);
}

function secretsOf(schema: ObjectSchema, config: unknown): { path: string; value: unknown }[] {
  const found: { path: string; value: unknown }[] = [];
  mapSecrets(schema, config, '', (value, path) => found.push({ path, value }));
  return found;
}

/** A copy of the value in which `change` has replaced each secret. Looks into objects, records and lists. */
function mapSecrets(
  schema: unknown,
  value: unknown,
  path: string,
  change: (secret: unknown, path: string) => unknown,
): unknown {
  if (!isObject(schema)) return value;
  if (schema['x-secret'] === true) return change(value, path);
  if (Array.isArray(value)) {
    return value.map((item, index) => mapSecrets(schema.items, item, `${path}/${index}`, change));
  }
  if (!isObject(value)) return value;
  const parts = Object.entries(value).map(([key, part]): [string, unknown] => [
    key,
    mapSecrets(schemaOf(schema, key), part, `${path}/${pointerKey(key)}`, change),
  ]);
  return Object.fromEntries(parts);
}

function schemaOf(
  { properties, patternProperties, additionalProperties }: Record<string, unknown>,
  key: string,
): unknown {
  if (isObject(properties) && Object.hasOwn(properties, key)) return properties[key];
  const patterns = isObject(patternProperties) ? Object.entries(patternProperties) : [];
  const matching = patterns.find(([pattern]) => new RegExp(pattern, 'u').test(key));
  return matching ? matching[1] : additionalProperties;
}

function isReference(secret: unknown): secret is SecretReference {
  return (
    isObject(secret) &&
    (typeof secret.env === 'string' || typeof secret.file === 'string' || isObject(secret.secretRef))
  );
}
