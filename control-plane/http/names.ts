import { OWN_NAMESPACE, type Vocabulary } from '#core';

/** A name without namespace is one of our own namespace. */
export function fullHookId(name: string): string {
  return name.includes('/') ? name : `${OWN_NAMESPACE}/${name}`;
}

/** `link-added` → `netlink.link-added`; a name that no source has stays as it is. */
export function canonicalType(type: string, { sources }: Vocabulary): string {
  return [...sources.values()].flat().find((known) => known === type || known.endsWith(`.${type}`)) ?? type;
}
